import { createPick } from "../../connection/pick.ts";
import { playsAll } from "../../support/plays_all.ts";
import { progress, scaled } from "../rig/scale.ts";
import type { Arena } from "../rig/arena.ts";
import { quickAttacks } from "./quick.ts";
import { describeArenas } from "../rig/describe_arenas.ts";

const IN_SEQUENCE = playsAll ? scaled(5_000, 10_000) : scaled(2_000, 10_000);
const AT_ONCE = 1_000;

/** Makes attacks of one connection, drawn by lot, one after the other. */
async function attackInSequence(arena: Arena, count: number, seed: number): Promise<void> {
  const pick = createPick(seed);
  for (let i = 1; i <= count; i++) {
    await arena.attack(quickAttacks[pick(quickAttacks.length)], { seed: seed + i });
    if (i % 2_500 === 0) progress(`${i} connections`);
  }
}

/** Makes attacks of one connection, all at once. */
async function attackAtOnce(arena: Arena, count: number, seed: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) => {
      return arena.attack(quickAttacks[i % quickAttacks.length], { seed: seed + i });
    }),
  );
}

describeArenas("a server under a crowd of attackers", (test, style) => {
  // What style of program a server has matters little to these. 2,000 make each attack some 25 times.
  if (style === "callback") {
    test(`${IN_SEQUENCE} connections in sequence`, async (arena) => {
      await attackInSequence(arena, 1_000, 1);
      await arena.hold("in sequence", () => attackInSequence(arena, IN_SEQUENCE, 2));
    });
  }

  test(`${AT_ONCE} connections at once`, async (arena) => {
    await attackAtOnce(arena, AT_ONCE, 3);
    await arena.hold("at once", () => attackAtOnce(arena, AT_ONCE, 4));
  });
});
