import process from "node:process";
import { setTimeout } from "node:timers/promises";

const { gc, Bun } = globalThis as {
  gc?(): void;
  Bun?: { gc(isSynchronous: boolean): void };
};

/** Collects garbage. On Node and Deno, the process must have been started with `--expose-gc`. */
export function collect(): void {
  if (Bun !== undefined) Bun.gc(true);
  else gc!();
}

/**
 * Collects garbage, and gives the bytes that JavaScript uses then.
 *
 * @param rounds How often: what one round finalizes, the next one frees.
 */
export async function collectGarbage(rounds = 2): Promise<number> {
  for (let i = 0; i < rounds; i++) {
    collect();
    await setTimeout(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
