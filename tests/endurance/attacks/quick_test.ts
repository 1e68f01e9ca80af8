import type { Arena } from "../rig/arena.ts";
import { quickAttacks } from "./quick.ts";
import { describeArenas } from "../rig/describe_arenas.ts";

const TIMES = 20;

async function attackByAll(arena: Arena, seed: number): Promise<void> {
  for (const attack of quickAttacks) await arena.attack(attack, { seed });
}

describeArenas("a server under attacks of one connection", (test) => {
  test(`${quickAttacks.length} of them, ${TIMES} times`, async (arena) => {
    await attackByAll(arena, 0);
    await arena.hold(`${quickAttacks.length} attacks, ${TIMES} times`, async () => {
      for (let i = 1; i <= TIMES; i++) await attackByAll(arena, i);
    });
  });
});
