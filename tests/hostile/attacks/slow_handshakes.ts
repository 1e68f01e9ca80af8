/**
 * Opening handshakes that take their time.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "../attack.ts";

/** The default of `handshakeTimeoutMs`. */
const HANDSHAKE_MS = 10_000;

const dribble: Attack = {
  name: "request heads at one byte a second",
  outcome: "408 at the deadline, and the end",
  deadlineMs: HANDSHAKE_MS,
  async run(target) {
    const request = upgradeRequest();
    await target.crowd(50, async () => {
      const attacker = await target.connect();
      for (let i = 0; !attacker.hasEnded && !attacker.isClosed; i++) {
        attacker.send(request[i]);
        await Promise.race([
          target.wait(1_000),
          attacker.until("an answer", () => attacker.hasEnded),
        ]);
      }
      assertEquals((await attacker.readResponse()).status, 408);
    });
  },
};

/** The attacks. */
export const slowHandshakes: readonly Attack[] = [dribble];
