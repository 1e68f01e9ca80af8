/**
 * One large message that comes back.
 *
 * @module
 */

import type { LoadConnection } from "./connection.ts";
import { Histogram } from "../../harness/histogram.ts";
import { Meter } from "./meter.ts";
import type { LoadResult, LoadTask } from "./result.ts";
import { summarizeUsage } from "./summarize_usage.ts";

/** Sends it once, as nobody warms up for it. What is counted are its MiB. */
export async function loadLarge(task: LoadTask, connection: LoadConnection): Promise<LoadResult> {
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.receiveReplies = () => resolve();
  const meter = new Meter(task.pid);
  connection.send(1);
  await promise;
  return summarizeUsage(task, meter.read(), task.workload.size / 1024 / 1024, new Histogram());
}
