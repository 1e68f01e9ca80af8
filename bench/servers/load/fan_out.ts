/**
 * One message to all, or several of them: a connection sends them, or several do, and each gets them.
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

/** Puts the load on connections that are open: the next messages follow when all have the last ones. */
export async function loadFanOut(
  task: LoadTask,
  connections: LoadConnection[],
): Promise<LoadResult> {
  const latencies = new Histogram();
  const { inFlight, senders: count = 1 } = task.workload;
  const senders = connections.slice(0, count);
  let delivered = 0;
  let missing = 0;
  let sentAt = 0;
  const send = () => {
    missing = connections.length * count * inFlight;
    sentAt = performance.now();
    for (const sender of senders) sender.send(inFlight);
  };
  for (const connection of connections) {
    connection.receiveReplies = (count) => {
      delivered += count;
      missing -= count;
      if (missing > 0) return;
      latencies.record(Math.round((performance.now() - sentAt) * 1000));
      send();
    };
  }
  send();
  await warmUp(task);

  latencies.reset();
  const before = delivered;
  const meter = new Meter(task.pid);
  await sleep(task.measureMs);
  const usage = meter.read();
  return summarizeUsage(task, usage, delivered - before, latencies);
}
