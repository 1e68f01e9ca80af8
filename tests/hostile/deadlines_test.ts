import { describe, it } from "node:test";
import { MiB, skip, TIMEOUT_MS } from "../stress/scale.ts";
import { Arena } from "./arena.ts";
import { largeAttacks } from "./attacks/all.ts";
import { STYLES } from "./describe_arenas.ts";

const attacks = largeAttacks.filter(({ deadlineMs = 0 }) => deadlineMs > 0);
/** For all of them together, none of which was made before. */
const MAX_GROWTH = 60 * MiB;

// As they mostly wait, they are made side by side, all on one server; the servers too.
describe("slow and stuck peers, all at once", () => {
  const name = `${attacks.length} kinds of them`;
  it(`${name}: ${STYLES.join(", ")}`, { skip, timeout: TIMEOUT_MS }, async () => {
    await Promise.all(STYLES.map(async (style) => {
      const arena = await Arena.start(style);
      try {
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
