/**
 * Counts what the process has open.
 *
 * @module
 */

import { existsSync, readdirSync, readlinkSync } from "node:fs";

const folder = "/proc/self/fd";

/** Whether open sockets can be counted here: on Linux. */
export const canCount: boolean = existsSync(folder);

/** Counts the open sockets of this process. */
function countSockets(): number {
  return readdirSync(folder).filter((descriptor) => {
    try {
      return readlinkSync(`${folder}/${descriptor}`).startsWith("socket:");
    } catch {
      // It was the descriptor of the folder itself.
      return false;
    }
  }).length;
}

/** Counts the open sockets after those that are about to close have. */
export async function countSettledSockets(): Promise<number> {
  let count = countSockets();
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    count = Math.min(count, countSockets());
  }
  return count;
}

/** Waits until no more than `count` sockets are open; for ever, where they leak. */
export async function untilSockets(count: number): Promise<void> {
  while (countSockets() > count) await new Promise((resolve) => setTimeout(resolve, 10));
}
