// @waits

import { describe, it } from "node:test";
import { MiB, scaled, skip, TIMEOUT_MS } from "../rig/scale.ts";
import { Arena } from "../rig/arena.ts";
import { type Attack, deadlinesAt } from "../attacks/attack.ts";
import { slowHandshakes } from "../attacks/slow_handshakes.ts";
import { stuckPeers } from "../attacks/stuck_peers.ts";
import { STYLES } from "../rig/describe_arenas.ts";

const attacks = [...slowHandshakes, ...stuckPeers].filter(({ isSlow }) => isSlow);
/** What part of the default times is waited for; handshakes_test.ts and keep_alive_stall_test.ts hold those. */
const PACE = scaled(0.5, 1);
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
      const arena = await Arena.start(style, ["--deadlines", JSON.stringify(deadlinesAt(PACE))]);
      try {
        await arena.attack(warmUp);
        await arena.hold(name, async () => {
          await Promise.all(attacks.map((attack) => arena.attack(attack, { pace: PACE })));
        }, MAX_GROWTH);
        await arena.stop();
      } finally {
        arena.kill();
      }
    }));
  });
});
