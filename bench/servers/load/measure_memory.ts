/**
 * Compares the memory of a server after something with that before.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Meter } from "./meter.ts";
import { readMemory } from "../../harness/process_usage.ts";
import type { LoadResult, LoadTask } from "./result.ts";

/** How long a server has to settle, before and after. */
const SETTLE_BEFORE_MS = 500;
const SETTLE_AFTER_MS = 1500;

/** Measures what work leaves resident, for each connection. The work gives the ratio on the wire. */
export async function measureMemory(
  { pid, workload }: LoadTask,
  work: () => Promise<number>,
): Promise<LoadResult> {
  await sleep(SETTLE_BEFORE_MS);
  const before = readMemory(pid, "VmRSS");
  const meter = new Meter(pid);
  const wireRatio = await work();
  const { seconds, serverUs = 0, generatorUs = 0, waitingUs } = meter.read();
  await sleep(SETTLE_AFTER_MS);
  const after = readMemory(pid, "VmRSS");
  if (before === undefined || after === undefined) {
    throw new Error("the system does not tell the memory of a process");
  }
  return {
    cost: (after - before) / workload.connections,
    isCpuTime: false,
    rate: workload.connections / seconds,
    wireRatio,
    p50Us: 0,
    p99Us: 0,
    peakMemory: readMemory(pid, "VmHWM") ?? 0,
    serverLoad: serverUs / 1e6 / seconds,
    generatorLoad: generatorUs / 1e6 / seconds,
    waiting: waitingUs / 1e6 / seconds,
  };
}
