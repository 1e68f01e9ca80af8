import { after, before, describe, it } from "node:test";
import type { Attack } from "../attacks/attack.ts";
import type { TargetOptions } from "../attacks/target.ts";
import { progress, skip, TIMEOUT_MS } from "./scale.ts";
import { Arena, GrowthError } from "./arena.ts";

/** The styles of `arena_server.ts`. */
export const STYLES: readonly string[] = ["callback", "iterate"];

/** Defines a test that is run in an arena of each style. */
export type ArenaTest = (name: string, body: (arena: Arena) => Promise<void>) => void;

/**
 * Describes an arena of each style of `arena_server.ts`. The tests that `define` defines share it; at
 * last one is added, that everything ends by itself and in order.
 */
export function describeArenas(
  name: string,
  define: (test: ArenaTest, style: string) => void,
): void {
  for (const style of STYLES) {
    describe(`${name}: ${style}`, () => {
      let arena: Arena;
      before(async () => {
        if (!skip) arena = await Arena.start(style);
      });
      after(() => arena?.kill());
      const test: ArenaTest = (name, body) => {
        it(name, { skip, timeout: TIMEOUT_MS }, async () => {
          try {
            await body(arena);
          } catch (error) {
            if (!(error instanceof GrowthError)) throw error;
            // Now and then a heap grows by a leap, as the runtime likes. What an attack makes a server
            // hold, it makes a new one hold as well.
            progress(`${error.message}: once more, with a new server`);
            arena.kill();
            arena = await Arena.start(style);
            await body(arena);
          }
        });
      };
      define(test, style);
      it("ends in order", { skip, timeout: TIMEOUT_MS }, () => arena.stop());
    });
  }
}

/**
 * Describes arenas in which attacks are made, each after a warm-up of the same: code is then compiled, and
 * the runtime has what memory it wants. Those that reach no program are made in the first style alone.
 */
export function describeAttacks(
  name: string,
  attacks: readonly Attack[],
  { warmUp = {}, maxGrowth, ...options }: Partial<TargetOptions> & {
    warmUp?: Partial<TargetOptions>;
    maxGrowth?: number;
  },
): void {
  describeArenas(name, (test, style) => {
    for (const attack of attacks) {
      if (style !== STYLES[0] && !attack.reachesProgram) continue;
      test(attack.name, async (arena) => {
        await arena.attack(attack, { ...options, ...warmUp });
        const again = () => arena.attack(attack, { ...options, seed: 2 });
        await arena.hold(attack.name, again, maxGrowth);
      });
    }
  });
}
