/**
 * The file descriptors that many connections need: one each, at both ends.
 *
 * @module
 */

import type { Group } from "./plan.ts";

/** What a process needs besides. */
const SPARE = 200;

/** Finds how many descriptors a process may have in Linux's `/proc/PID/limits`: what it may raise its limit to. */
export function parseDescriptorLimit(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? Infinity : Number(hard);
}

async function readDescriptorLimit(): Promise<number> {
  try {
    return parseDescriptorLimit(await Deno.readTextFile("/proc/self/limits"));
  } catch {
    return Infinity;
  }
}

/**
 * Leaves out what needs more descriptors than a process may have, and says so.
 *
 * @throws {Error} Where nothing is left.
 */
export async function leaveOutTooMany(
  groups: Group[],
  say: (line: string) => void,
  limit?: number,
): Promise<Group[]> {
  const allowed = limit ?? await readDescriptorLimit();
  const isTooMuch = ([{ workload }]: Group) => workload.connections + SPARE > allowed;
  for (
    const { id, connections } of new Set(groups.filter(isTooMuch).map(([cell]) => cell.workload))
  ) {
    say(
      `left out: ${id} needs ${
        connections + SPARE
      } file descriptors a process, and ${allowed} are ` +
        `allowed; "ulimit -Hn" shows the limit, and root may raise it`,
    );
  }
  const left = groups.filter((group) => !isTooMuch(group));
  if (left.length === 0) throw new Error("the limit of file descriptors leaves nothing to measure");
  return left;
}
