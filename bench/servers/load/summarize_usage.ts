/**
 * From what was counted to what is reported.
 *
 * @module
 */

import type { Histogram } from "../../harness/histogram.ts";
import type { Usage } from "./meter.ts";
import { readMemory } from "../../harness/process_usage.ts";
import type { LoadResult, LoadTask } from "./result.ts";

/** Divides what a stretch of time has cost by what was done in it. */
export function summarizeUsage(
  task: LoadTask,
  { seconds, serverUs, generatorUs, waitingUs }: Usage,
  count: number,
  latencies: Histogram,
  wireRatio = 1,
): LoadResult {
  if (count === 0) throw new Error(`nothing came back within ${seconds.toFixed(1)} s`);
  return {
    cost: (serverUs ?? seconds * 1e6) / count,
    isCpuTime: serverUs !== undefined,
    rate: count / seconds,
    wireRatio,
    p50Us: latencies.quantile(0.5),
    p99Us: latencies.quantile(0.99),
    peakMemory: readMemory(task.pid, "VmHWM") ?? 0,
    serverLoad: (serverUs ?? 0) / 1e6 / seconds,
    generatorLoad: (generatorUs ?? 0) / 1e6 / seconds,
    waiting: waitingUs / 1e6 / seconds,
  };
}
