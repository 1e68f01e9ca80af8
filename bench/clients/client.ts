/**
 * The client that is measured, a program for each runtime: takes a task as JSON, measures itself, and prints
 * the report as JSON.
 *
 * @module
 */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { readThreadTimes, readWaitingTime, timeBetween } from "../harness/process_usage.ts";
import { createPayload } from "../servers/load/client_frame.ts";
import { CLIENTS, type Open } from "./open.ts";
import type { ClientReport, ClientResult, ClientTask, Load } from "./task.ts";

const STEP_MS = 100;
/** How much longer the warm-up may take if others use the core too, or the load is little. */
const PATIENCE = 3;

/** How often it was done what the load is about. */
let count = 0;

/** Keeps `inFlight` messages on the way on each connection. */
async function echo(open: Open, url: string, load: Load): Promise<void> {
  const bytes = createPayload(load.payload, load.size);
  const data = load.payload === "binary" ? bytes : new TextDecoder().decode(bytes);
  for (let i = 0; i < load.connections; i++) {
    const socket = await open(url, (socket) => {
      count++;
      socket.send(data);
    });
    for (let j = 0; j < load.inFlight; j++) socket.send(data);
  }
}

/** Opens connections and closes them, over and over. */
async function connect(open: Open, url: string): Promise<never> {
  for (;;) {
    const socket = await open(url, () => {});
    await socket.close();
    count++;
  }
}

/** The CPU time of this process so far, and for how long it waited for its core, in microseconds. */
function readUsage() {
  const times = readThreadTimes(process.pid);
  if (times === undefined) throw new Error("the system does not tell the CPU time of a process");
  return { times, waitingUs: readWaitingTime(process.pid) / 1000, at: performance.now() };
}

async function measure({ client, load, port, warmUpMs, measureMs }: ClientTask) {
  const open = await CLIENTS[client]();
  const url = `ws://127.0.0.1:${port}/`;
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const loops = load.kind === "echo"
    ? [echo(open, url, load)]
    : Array.from({ length: load.connections }, () => connect(open, url));
  for (const loop of loops) loop.catch(reject);

  async function run(): Promise<ClientResult> {
    const start = readUsage();
    // Compilers get ready by work, not by time.
    for (let ms = 0; ms < PATIENCE * warmUpMs; ms += STEP_MS) {
      await sleep(STEP_MS);
      if (timeBetween(start.times, readUsage().times) / 1000 >= warmUpMs) break;
    }
    const before = readUsage(), countBefore = count;
    await sleep(measureMs);
    const after = readUsage(), done = count - countBefore;
    if (done === 0) throw new Error("nothing came back");
    const us = (after.at - before.at) * 1000;
    return {
      cost: timeBetween(before.times, after.times) / done,
      rate: done / us * 1e6,
      waiting: (after.waitingUs - before.waitingUs) / us,
    };
  }
  return await Promise.race([run(), failed]);
}

async function report(): Promise<ClientReport> {
  try {
    return { result: await measure(JSON.parse(process.argv[2])) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

console.log(JSON.stringify(await report()));
process.exit(0);
