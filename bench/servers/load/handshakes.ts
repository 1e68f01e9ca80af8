/**
 * Connections that are opened, and reset as soon as they are open.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LoadConnection, type Target } from "./connection.ts";
import { Histogram } from "../../harness/histogram.ts";
import { Meter } from "./meter.ts";
import type { LoadResult, LoadTask } from "./result.ts";
import { summarizeUsage } from "./summarize_usage.ts";
import { warmUp } from "./warm_up.ts";

/** Opens a number of connections at a time. */
export async function loadHandshakes(task: LoadTask, target: Target): Promise<LoadResult> {
  const latencies = new Histogram();
  let count = 0;
  const repeat = async () => {
    for (;;) {
      const startedAt = performance.now();
      const connection = await LoadConnection.open(target);
      latencies.record(Math.round((performance.now() - startedAt) * 1000));
      count++;
      connection.abort();
    }
  };
  const { promise: failed, reject } = Promise.withResolvers<never>();
  for (let i = 0; i < task.workload.connections; i++) repeat().catch(reject);
  await Promise.race([warmUp(task), failed]);

  latencies.reset();
  const before = count;
  const meter = new Meter(task.pid);
  await Promise.race([sleep(task.measureMs), failed]);
  const usage = meter.read();
  return summarizeUsage(task, usage, count - before, latencies);
}
