/**
 * Connections that are opened, and stay without a message: what memory each takes.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { LoadConnection, Target } from "./connection.ts";
import { openAll } from "./open_all.ts";
import { Meter } from "./meter.ts";
import { readMemory } from "./process_usage.ts";
import type { LoadResult, LoadTask } from "./result.ts";

/** How long a server has to settle, before and after. */
const SETTLE_BEFORE_MS = 500;
const SETTLE_AFTER_MS = 1500;

/** Opens the connections, and compares the resident memory after with that before. */
export async function loadIdle(
  task: LoadTask,
  target: Target,
  onOpen: (connections: LoadConnection[]) => void,
): Promise<LoadResult> {
  const { pid, workload } = task;
  await sleep(SETTLE_BEFORE_MS);
  const before = readMemory(pid, "VmRSS");
  const meter = new Meter(pid);
  onOpen(await openAll(target, workload.connections));
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
    p50Us: 0,
    p99Us: 0,
    peakMemory: readMemory(pid, "VmHWM") ?? 0,
    serverLoad: serverUs / 1e6 / seconds,
    generatorLoad: generatorUs / 1e6 / seconds,
    waiting: waitingUs / 1e6 / seconds,
  };
}
