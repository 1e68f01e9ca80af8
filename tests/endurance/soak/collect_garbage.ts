import process from "node:process";
import { setTimeout } from "node:timers/promises";

interface Collectors {
  gc?(): void;
  Bun?: { gc(isSynchronous: boolean): void };
}

const { gc, Bun } = globalThis as Collectors;

/** Collects garbage, and gives the bytes that JavaScript uses then. */
export async function collectGarbage(): Promise<number> {
  // What the first round finalizes, the next one frees.
  for (let i = 0; i < 2; i++) {
    if (Bun !== undefined) Bun.gc(true);
    else gc!();
    await setTimeout(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
