/**
 * The load generator, a program for Bun: sends messages to one server, and has subscribers at another
 * that count them. Takes a task as JSON, and prints the report as JSON.
 *
 * @module
 */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Histogram } from "../harness/histogram.ts";
import {
  readThreadTimes,
  readWaitingTime,
  type ThreadTimes,
  timeBetween,
} from "../harness/process_usage.ts";
import type { BrokerReport, BrokerResult, BrokerTask, Dialect } from "./task.ts";

const DEADLINE_MS = 20_000;
const SEQUENCE_LENGTH = 8;

/** How messages look in a dialect: what is before the text, and what is behind it. */
const FRAMES: Record<Dialect, [before: string, behind: string]> = {
  "plain": ["", ""],
  // A packet of Engine.IO (4) that is an event of Socket.IO (2) with its name and its argument.
  "socket.io": ['42["m","', '"]'],
};

/** A connection. */
class Client {
  readonly #socket: WebSocket;
  readonly #frame: [string, string];
  readonly #size: number;
  /** Called with the number of each message that arrives. */
  receive: (sequence: number) => void = () => {};

  private constructor(socket: WebSocket, { dialect, size }: BrokerTask) {
    this.#socket = socket;
    this.#frame = FRAMES[dialect];
    this.#size = size;
  }

  /** Connects; with Socket.IO, until the namespace is joined. */
  static open(task: BrokerTask, port: number, role: string): Promise<Client> {
    const { promise, resolve, reject } = Promise.withResolvers<Client>();
    const isPlain = task.dialect === "plain";
    const path = isPlain ? "/?" : "/socket.io/?EIO=4&transport=websocket&";
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}role=${role}`);
    const client = new Client(socket, task);
    socket.onopen = () => isPlain && resolve(client);
    socket.onclose = socket.onerror = () => reject(new Error("a server closes the connection"));
    socket.onmessage = ({ data }: { data: string }) => {
      if (isPlain || data.startsWith("42")) return client.#receive(data);
      if (data.startsWith("0")) socket.send("40");
      else if (data.startsWith("40")) resolve(client);
      else if (data === "2") socket.send("3");
      else throw new Error(`a server sends ${JSON.stringify(data)}`);
    };
    return promise;
  }

  /** Sends a message. */
  send(sequence: number): void {
    const [before, behind] = this.#frame;
    const number = String(sequence).padStart(SEQUENCE_LENGTH, "0");
    this.#socket.send(before + number + "x".repeat(this.#size - SEQUENCE_LENGTH) + behind);
  }

  #receive(data: string): void {
    const [before, behind] = this.#frame;
    if (data.length !== before.length + this.#size + behind.length) {
      throw new Error(`a message of ${data.length} characters arrives`);
    }
    this.receive(Number(data.slice(before.length, before.length + SEQUENCE_LENGTH)));
  }
}

/** Times of processes, and the time. */
class Snapshot {
  readonly at: number = performance.now();
  readonly times: (ThreadTimes | undefined)[];
  readonly waitingNs: number;

  constructor(pids: number[]) {
    this.times = pids.map(readThreadTimes);
    this.waitingNs = pids.reduce((sum, pid) => sum + readWaitingTime(pid), 0);
  }

  /** The CPU time of one of the processes since then, in microseconds. */
  spentUs(before: Snapshot, index: number): number {
    const [from, to] = [before.times[index], this.times[index]];
    return from === undefined || to === undefined ? 0 : timeBetween(from, to);
  }
}

/** Waits until what is sent to one server reaches all subscribers of the other. */
async function untilConnected(publisher: Client, subscribers: Client[]): Promise<void> {
  const missing = new Set(subscribers);
  for (const subscriber of subscribers) subscriber.receive = () => void missing.delete(subscriber);
  const deadline = performance.now() + DEADLINE_MS;
  while (missing.size > 0) {
    if (performance.now() > deadline) throw new Error("messages don't reach the other server");
    publisher.send(0);
    await sleep(50);
  }
  // What is still on its way has the number 0, and is not counted.
  await sleep(200);
}

async function load(task: BrokerTask): Promise<BrokerResult> {
  const { ports: [publisherPort, subscriberPort], inFlight } = task;
  const publisher = await Client.open(task, publisherPort, "publisher");
  const subscribers = await Promise.all(
    Array.from({ length: task.subscribers }, () => Client.open(task, subscriberPort, "subscriber")),
  );
  await untilConnected(publisher, subscribers);

  const latencies = new Histogram();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const sentAt: number[] = new Array(inFlight).fill(0);
  const missing: number[] = new Array(inFlight).fill(0);
  let sent = 0, completed = 0;
  const send = () => {
    sent++;
    sentAt[sent % inFlight] = performance.now();
    missing[sent % inFlight] = subscribers.length;
    publisher.send(sent);
  };
  for (const subscriber of subscribers) {
    let last = 0;
    subscriber.receive = (sequence) => {
      if (sequence === 0) return;
      if (sequence !== ++last) reject(new Error(`message ${sequence} comes instead of ${last}`));
      const place = sequence % inFlight;
      if (--missing[place] > 0) return;
      latencies.record(Math.round((performance.now() - sentAt[place]) * 1000));
      completed++;
      send();
    };
  }
  for (let i = 0; i < inFlight; i++) send();

  const pids = [...task.servers, task.broker, process.pid];
  const run = async () => {
    await sleep(task.warmUpMs);
    latencies.reset();
    const countBefore = completed;
    const before = new Snapshot(pids);
    await sleep(task.measureMs);
    const after = new Snapshot(pids);
    const count = completed - countBefore;
    if (count === 0) throw new Error("nothing arrives any more");
    const passedMs = after.at - before.at;
    return {
      rate: count / passedMs * 1000,
      p50Us: latencies.quantile(0.5),
      p99Us: latencies.quantile(0.99),
      serverUs: (after.spentUs(before, 0) + after.spentUs(before, 1)) / count,
      brokerUs: after.spentUs(before, 2) / count,
      generatorLoad: after.spentUs(before, 3) / 1000 / passedMs,
      waiting: (after.waitingNs - before.waitingNs) / 1e6 / passedMs / pids.length,
    };
  };
  return await Promise.race([run(), failed]);
}

async function report(task: BrokerTask): Promise<BrokerReport> {
  try {
    return { result: await load(task) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

console.log(JSON.stringify(await report(JSON.parse(process.argv[2]))));
process.exit(0);
