import { assertEquals } from "@std/assert";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "../attacks/attack.ts";

const PATIENCE_MS = 20_000;

/** The attack that is made on the soak's own server only. */
export const deafSubscribers: Attack = {
  name: "subscribers that never read",
  outcome: "they are dropped when their send queue is full, and the others get every broadcast",
  isSlow: true,
  async run(target) {
    await target.crowd(20, async () => {
      const attacker = await target.send(upgradeRequest({ target: "/subscribe" }));
      assertEquals((await attacker.readHead()).status, 101);
      attacker.socket.pause();
      await target.wait(PATIENCE_MS);
    });
  },
};
