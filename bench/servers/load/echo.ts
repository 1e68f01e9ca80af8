/**
 * Messages that come back: each connection has a number of them on the way.
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

/** Keeps `inFlight` messages on the way, and times one of them at a time. */
class EchoLoop {
  readonly #connection: LoadConnection;
  readonly #latencies: Histogram;
  #sent = 0;
  #received = 0;
  /** Which message is timed, counted from 1, and when it was sent. */
  #timed = 0;
  #timedAt = 0;

  constructor(connection: LoadConnection, latencies: Histogram) {
    this.#connection = connection;
    this.#latencies = latencies;
    connection.receiveReplies = (count) => this.#receive(count);
  }

  get received(): number {
    return this.#received;
  }

  send(count: number): void {
    if (this.#timed === 0) {
      this.#timed = this.#sent + 1;
      this.#timedAt = performance.now();
    }
    this.#sent += count;
    this.#connection.send(count);
  }

  #receive(count: number): void {
    this.#received += count;
    if (this.#received >= this.#timed) {
      this.#latencies.record(Math.round((performance.now() - this.#timedAt) * 1000));
      this.#timed = 0;
    }
    this.send(count);
  }
}

/** Puts the load on connections that are open. */
export async function loadEcho(task: LoadTask, connections: LoadConnection[]): Promise<LoadResult> {
  const latencies = new Histogram();
  const loops = connections.map((connection) => new EchoLoop(connection, latencies));
  const countReceived = () => loops.reduce((sum, { received }) => sum + received, 0);
  const sumPayloads = () => connections.reduce((sum, { payloadSize }) => sum + payloadSize, 0);
  for (const loop of loops) loop.send(task.workload.inFlight);
  await warmUp(task);

  latencies.reset();
  const before = countReceived(), sizeBefore = sumPayloads();
  const meter = new Meter(task.pid);
  await sleep(task.measureMs);
  const usage = meter.read();
  const count = countReceived() - before;
  const wireRatio = (sumPayloads() - sizeBefore) / count / task.workload.size;
  return summarizeUsage(task, usage, count, latencies, wireRatio);
}
