/**
 * Connections that say nothing, but answer the Pings of the server.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { LoadConnection } from "./connection.ts";
import { Histogram } from "../../harness/histogram.ts";
import { Meter } from "./meter.ts";
import type { LoadResult, LoadTask } from "./result.ts";
import { summarizeUsage } from "./summarize_usage.ts";
import { warmUp } from "./warm_up.ts";

/** How many whole intervals of one second are measured. */
const INTERVALS = 2;

/** Counts the Pings that are answered on connections that are open. */
export async function loadKeepAlive(
  task: LoadTask,
  connections: LoadConnection[],
): Promise<LoadResult> {
  const countPings = () => connections.reduce((sum, { pings }) => sum + pings, 0);
  await warmUp(task);

  const before = countPings();
  const meter = new Meter(task.pid);
  await sleep(INTERVALS * 1000);
  return summarizeUsage(task, meter.read(), countPings() - before, new Histogram());
}
