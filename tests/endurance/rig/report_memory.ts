/**
 * On SIGHUP, collects garbage and prints what memory is in use then.
 *
 * @module
 */

import process from "node:process";
import { setTimeout } from "node:timers/promises";

interface Collectors {
  gc?(): void;
  Bun?: { gc(isSynchronous: boolean): void };
}

const { gc, Bun } = globalThis as Collectors;

process.on("SIGHUP", async () => {
  // What the first round finalizes, the next one frees.
  for (let i = 0; i < 4; i++) {
    if (Bun !== undefined) Bun.gc(true);
    else gc!();
    await setTimeout(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  console.log(`memory ${heapUsed + external}`);
});
