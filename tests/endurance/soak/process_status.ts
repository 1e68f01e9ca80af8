/**
 * What Linux tells of a process.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";

/** Runtimes open a few descriptors of their own when they need them first. */
export const OWN_DESCRIPTORS = 6;

/** How a process stands. */
export interface ProcessStatus {
  /** Its memory in RAM, in bytes. */
  resident: number;
  /** The descriptors it has open. */
  descriptors: number;
  /** How long its main thread has waited for a core so far, in milliseconds. */
  waitedForCore: number;
}

/** Asks for it all; gives `undefined` where the process has ended. */
export function readStatus(pid: number): ProcessStatus | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const waited = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[1];
    return {
      resident: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) * 1024,
      descriptors: countDescriptors(pid),
      waitedForCore: Number(waited) / 1e6,
    };
  } catch {
    return undefined;
  }
}

/** Counts the descriptors that a process has open. */
export function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
