import { describe, it } from "node:test";
import { skip, TIMEOUT_MS } from "../stress/scale.ts";
import { Arena } from "./arena.ts";
import { largeAttacks } from "./attacks/all.ts";
import { STYLES } from "./describe_arenas.ts";

const attacks = largeAttacks.filter(({ deadlineMs = 0 }) => deadlineMs > 0);

// As they mostly wait, they are made side by side, all on one server; the servers too.
describe("slow and stuck peers, all at once", { concurrency: true }, () => {
  for (const style of STYLES) {
    it(`${attacks.length} kinds of them: ${style}`, { skip, timeout: TIMEOUT_MS }, async () => {
      const arena = await Arena.start(style);
      try {
        await arena.hold(`${attacks.length} kinds of slow and stuck peers`, async () => {
          await Promise.all(attacks.map((attack) => arena.attack(attack)));
        });
        await arena.stop();
      } finally {
        arena.kill();
      }
    });
  }
});
