/**
 * The load generator of `bench:compare`, a program for Bun: puts the same load on two servers that both run,
 * for a slice of time each by turns, and prints what each took a message. What slows the machine down slows
 * both down.
 *
 * @module
 */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Workload } from "../workloads.ts";
import type { LoadConnection } from "./connection.ts";
import { openAll } from "./open_all.ts";
import { readThreadTimes, timeBetween } from "./process_usage.ts";
import { createTarget } from "./target.ts";

/** What is to be compared. */
export interface CompareTask {
  workload: Workload;
  /** The compression that clients offer, as in `LoadTask`. */
  offer: string;
  /** The two servers. */
  servers: { port: number; pid: number }[];
  sliceMs: number;
  /** How many slices each server has, behind those that warm it up. */
  slices: number;
  warmUpSlices: number;
}

/** The server CPU time for each message, in microseconds: by slice, and in it by server. */
export type Slices = [first: number, second: number][];

/** The load on one server, which can be stopped. */
class Load {
  readonly #pid: number;
  readonly #connections: LoadConnection[];
  readonly #inFlight: number;
  #isOn = false;
  #received = 0;
  #onWay = 0;
  #done: () => void = () => {};

  constructor(pid: number, connections: LoadConnection[], inFlight: number) {
    this.#pid = pid;
    this.#connections = connections;
    this.#inFlight = inFlight;
    for (const connection of connections) {
      connection.receiveError = (error) => {
        throw error;
      };
      connection.receiveReplies = (count) => this.#receive(connection, count);
    }
  }

  /** Puts the load on for a while, waits for the last replies, and tells what a message took. */
  async run(sliceMs: number): Promise<number> {
    const before = readThreadTimes(this.#pid);
    this.#received = 0;
    this.#isOn = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#done = resolve;
    for (const connection of this.#connections) this.#send(connection, this.#inFlight);
    await sleep(sliceMs);
    this.#isOn = false;
    if (this.#onWay > 0) await promise;
    const after = readThreadTimes(this.#pid);
    if (before === undefined || after === undefined) {
      throw new Error("Cannot compare: the system does not tell the CPU time of a process");
    }
    return timeBetween(before, after) / this.#received;
  }

  #send(connection: LoadConnection, count: number): void {
    this.#onWay += count;
    connection.send(count);
  }

  #receive(connection: LoadConnection, count: number): void {
    this.#received += count;
    this.#onWay -= count;
    if (this.#isOn) this.#send(connection, count);
    else if (this.#onWay === 0) this.#done();
  }
}

const task: CompareTask = JSON.parse(process.argv[2]);
const { connections, inFlight } = task.workload;
const loads: Load[] = [];
for (const { port, pid } of task.servers) {
  const target = createTarget({ ...task, port, raw: false });
  loads.push(new Load(pid, await openAll(target, connections), inFlight));
}
const slices: Slices = [];
for (let i = -task.warmUpSlices; i < task.slices; i++) {
  // Not both at once: they share a core.
  const slice: Slices[number] = [
    await loads[0].run(task.sliceMs),
    await loads[1].run(task.sliceMs),
  ];
  if (i >= 0) slices.push(slice);
}
console.log(JSON.stringify(slices));
process.exit(0);
