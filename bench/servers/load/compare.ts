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
import { LoadConnection, type Target } from "./connection.ts";
import { openAll } from "./open_all.ts";
import { readThreadTimes, timeBetween } from "../../harness/process_usage.ts";
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
abstract class Load {
  readonly #pid: number;
  protected isOn = false;
  /** What has been done of that which is counted, since the slice began. */
  protected count = 0;
  /** What the server has still to do. */
  protected onWay = 0;
  #done: () => void = () => {};

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Puts the load on for a while, waits for the last replies, and tells what a message took. */
  async run(sliceMs: number): Promise<number> {
    const before = readThreadTimes(this.#pid);
    this.count = 0;
    this.isOn = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#done = resolve;
    this.start();
    await sleep(sliceMs);
    this.isOn = false;
    if (this.onWay > 0) await promise;
    const after = readThreadTimes(this.#pid);
    if (before === undefined || after === undefined) {
      throw new Error("Cannot compare: the system does not tell the CPU time of a process");
    }
    return timeBetween(before, after) / this.count;
  }

  /** Puts the load on. */
  protected abstract start(): void;

  /** Notes that something was done. */
  protected finish(count: number): void {
    this.onWay -= count;
    this.count += count;
    if (!this.isOn && this.onWay === 0) this.#done();
  }
}

/** Connections on which messages come back: to their sender, or each to all. */
class Messages extends Load {
  readonly #connections: LoadConnection[];
  readonly #workload: Workload;

  constructor(pid: number, connections: LoadConnection[], workload: Workload) {
    super(pid);
    this.#connections = connections;
    this.#workload = workload;
    for (const connection of connections) {
      connection.receiveError = (error) => {
        throw error;
      };
      connection.receiveReplies = workload.kind === "fan-out"
        ? (count) => this.#receiveOfAll(count)
        : (count) => this.#receive(connection, count);
    }
  }

  protected start(): void {
    if (this.#workload.kind === "fan-out") return this.#sendToAll();
    for (const connection of this.#connections) this.#send(connection, this.#workload.inFlight);
  }

  #send(connection: LoadConnection, count: number): void {
    this.onWay += count;
    connection.send(count);
  }

  #receive(connection: LoadConnection, count: number): void {
    this.finish(count);
    if (this.isOn) this.#send(connection, count);
  }

  #sendToAll(): void {
    const { inFlight, senders = 1 } = this.#workload;
    this.onWay = this.#connections.length * senders * inFlight;
    for (const sender of this.#connections.slice(0, senders)) sender.send(inFlight);
  }

  #receiveOfAll(count: number): void {
    this.finish(count);
    if (this.isOn && this.onWay === 0) this.#sendToAll();
  }
}

/** Connections that are opened, and reset as soon as they are open. */
class Handshakes extends Load {
  readonly #target: Target;
  readonly #workload: Workload;

  constructor(pid: number, target: Target, workload: Workload) {
    super(pid);
    this.#target = target;
    this.#workload = workload;
  }

  protected start(): void {
    for (let i = 0; i < this.#workload.connections; i++) void this.#repeat();
  }

  async #repeat(): Promise<void> {
    while (this.isOn) {
      this.onWay++;
      const connection = await LoadConnection.open(this.#target);
      connection.abort();
      this.finish(1);
    }
  }
}

const task: CompareTask = JSON.parse(process.argv[2]);
const { workload } = task;
const loads: Load[] = [];
for (const { port, pid } of task.servers) {
  const target = createTarget({ ...task, port, raw: false });
  loads.push(
    workload.kind === "handshake"
      ? new Handshakes(pid, target, workload)
      : new Messages(pid, await openAll(target, workload.connections), workload),
  );
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
