/**
 * What a process uses, as Linux tells.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";

/** The CPU time of the threads of a process so far, in nanoseconds, by their ids. */
export type ThreadTimes = ReadonlyMap<string, number>;

/** Reads the CPU times of a process's threads; `undefined` where the system doesn't tell. */
export function readThreadTimes(pid: number): ThreadTimes | undefined {
  const times = new Map<string, number>();
  let sum = 0;
  for (const id of listThreads(pid)) {
    // The first number is the time on the CPU; "stat" has it too, but in ticks of 10 ms.
    const time = Number(read(`/proc/${pid}/task/${id}/schedstat`)?.split(" ")[0] ?? 0);
    times.set(id, time);
    sum += time;
  }
  return sum > 0 ? times : undefined;
}

/** The CPU time spent between two readings, in microseconds. */
export function timeBetween(before: ThreadTimes, after: ThreadTimes): number {
  let sum = 0;
  for (const [id, time] of after) sum += time - (before.get(id) ?? 0);
  return sum / 1000;
}

/** Reads how long the main thread of a process has waited for a core so far, in nanoseconds. */
export function readWaitingTime(pid: number): number {
  return Number(read(`/proc/${pid}/schedstat`)?.split(" ")[1] ?? 0);
}

/** Reads how much memory of a process is resident, or was at most, in bytes. */
export function readMemory(pid: number, which: "VmRSS" | "VmHWM"): number | undefined {
  const status = read(`/proc/${pid}/status`);
  const match = status === undefined
    ? null
    : new RegExp(`^${which}:\\s+(\\d+) kB`, "m").exec(status);
  return match === null ? undefined : Number(match[1]) * 1024;
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Reads a file that may be gone: a thread ends when it likes. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
