// @waits

import { describe, it } from "node:test";
import { MiB, skip, TIMEOUT_MS } from "../rig/scale.ts";
import { Arena } from "../rig/arena.ts";
import type { Attack } from "../attacks/attack.ts";
import { largeAttacks } from "../attacks/all.ts";
import { STYLES } from "../rig/describe_arenas.ts";

const attacks = largeAttacks.filter(({ deadlineMs = 0 }) => deadlineMs > 0);
/** For all of them together: 30 MiB would be for each. */
const MAX_GROWTH = 60 * MiB;

/** As many connections, and as much that is echoed, as the attacks have together. */
const warmUp: Attack = {
  name: "a warm-up",
  outcome: "echoes",
  async run(target) {
    await target.crowd(700, async () => {
      const attacker = await target.open();
      attacker.sendBinary(new Uint8Array(50_000));
      await target.readMessage(attacker);
    });
  },
};

// As they mostly wait, they are made side by side, all on one server; the servers too.
describe("slow and stuck peers, all at once", () => {
  const name = `${attacks.length} kinds of them`;
  it(`${name}: ${STYLES.join(", ")}`, { skip, timeout: TIMEOUT_MS }, async () => {
    await Promise.all(STYLES.map(async (style) => {
      const arena = await Arena.start(style);
      try {
        await arena.attack(warmUp);
        await arena.hold(name, async () => {
          await Promise.all(attacks.map((attack) => arena.attack(attack)));
        }, MAX_GROWTH);
        await arena.stop();
      } finally {
        arena.kill();
      }
    }));
  });
});
