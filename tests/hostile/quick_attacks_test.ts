import { describe, it } from "node:test";
import { skip, TIMEOUT_MS } from "../stress/scale.ts";
import { STYLES, withArena } from "./arena.ts";
import { quickAttacks } from "./attacks/quick.ts";

const TIMES = 20;

describe("attacks of one connection", () => {
  for (const style of STYLES) {
    it(style, { skip, timeout: TIMEOUT_MS }, () =>
      withArena(style, async (arena) => {
        const all = () =>
          arena.attack(async (target) => {
            for (const attack of quickAttacks) await attack.run(target);
          });
        await all();
        await arena.hold(`${quickAttacks.length} attacks, ${TIMES} times`, async () => {
          for (let i = 0; i < TIMES; i++) await all();
        });
      }));
  }
});
