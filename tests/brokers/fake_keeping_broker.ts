/**
 * A broker in memory that keeps messages, and the network to it, which does what a random number says.
 *
 * @module
 */

import type {
  BrokerHandler,
  KeepingBroker,
  KeptMessage,
  KeptMessagesHandler,
  MissedMessages,
  Position,
} from "../../src/server/mod.ts";

/** Gives numbers from 0 to `end`, exclusive. */
export type Random = (end: number) => number;

interface Topic {
  readonly messages: KeptMessage[];
  last: number;
}

/** What several brokers have in common: the messages, and who is subscribed. */
export class FakeLog {
  epoch = "first";
  /** Whether all topics count together, as with JetStream; otherwise each by itself. */
  readonly countsTogether: boolean;
  readonly #topics: Map<string, Topic> = new Map();
  readonly #history: Map<string, Uint8Array[]> = new Map();
  readonly #ids: Set<string> = new Set();
  readonly brokers: Set<FakeKeepingBroker> = new Set();
  #count = 0;

  constructor(countsTogether: boolean) {
    this.countsTogether = countsTogether;
  }

  /** The messages there have been of a topic, in their order. */
  historyOf(topic: string): readonly Uint8Array[] {
    return this.#history.get(topic) ?? [];
  }

  /** Keeps a message, unless it has it, and sends it to all who are subscribed. */
  append(topic: string, id: string, message: Uint8Array): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    const own = this.#open(topic);
    const previous = own.last;
    own.last = this.countsTogether ? ++this.#count : own.last + 1;
    const kept = { position: { epoch: this.epoch, number: own.last }, previous, message };
    own.messages.push(kept);
    this.#history.set(topic, [...this.historyOf(topic), message]);
    for (const broker of this.brokers) broker.sendKept(topic, kept);
  }

  /** Reads what comes behind a place. */
  read(topic: string, after: Position | undefined): MissedMessages {
    const { messages, last } = this.#open(topic);
    const number = this.countsTogether ? this.#count : last;
    const position = { epoch: this.epoch, number };
    if (after === undefined) return { messages: [], isComplete: true, position };
    const isSame = after.epoch === this.epoch;
    const behind = messages.filter((each) => !isSame || each.position.number > after.number);
    const firstPrevious = behind.length === 0 ? last : behind[0].previous;
    const isComplete = isSame && firstPrevious <= after.number;
    return { messages: behind, isComplete, position };
  }

  /** Tells a server where all topics are, as it would learn by a message of its own. */
  tick(broker: FakeKeepingBroker): void {
    if (this.countsTogether) broker.sendProgress({ epoch: this.epoch, number: ++this.#count });
  }

  /** Forgets the oldest messages of a topic. */
  trim(topic: string, count: number): void {
    this.#open(topic).messages.splice(0, count);
  }

  /** Forgets everything. */
  clear(): void {
    this.#topics.clear();
    this.#count = 0;
    this.epoch += "-";
  }

  #open(topic: string): Topic {
    let own = this.#topics.get(topic);
    if (own === undefined) this.#topics.set(topic, own = { messages: [], last: 0 });
    return own;
  }
}

/** A server's part. What it asks, and what it is told, is under way until `step` is called. */
export class FakeKeepingBroker implements KeepingBroker {
  /** What reading, and appending, fails with. */
  readError: unknown;
  appendError: unknown;
  readonly #log: FakeLog;
  readonly #random: Random;
  readonly #pending: Set<{ reject: (error: unknown) => void }> = new Set();
  #handler!: BrokerHandler;
  #kept!: KeptMessagesHandler;
  #isConnected = false;
  #isClosed = false;
  /** What is under way to the log, and what from there: each in its order. */
  #requests: (() => void)[] = [];
  #answers: (() => void)[] = [];
  /** What of the answers are messages. */
  readonly #messages: WeakSet<() => void> = new WeakSet();
  readonly #subscribed: Set<string> = new Set();

  constructor(log: FakeLog, random: Random) {
    this.#log = log;
    this.#random = random;
    log.brokers.add(this);
  }

  start(handler: BrokerHandler): Promise<void> {
    this.#handler = handler;
    return Promise.resolve();
  }

  keep(_window: unknown, handler: KeptMessagesHandler): void {
    this.#kept = handler;
  }

  publish(): Promise<void> {
    return this.#ask(() => {});
  }

  append(topic: string, id: string, message: Uint8Array): Promise<void> {
    const { appendError } = this;
    if (appendError !== undefined) return this.#refuse(appendError);
    return this.#ask(() => this.#log.append(topic, id, message));
  }

  read(topic: string, after: Position | undefined): Promise<MissedMessages> {
    if (this.readError !== undefined) return this.#refuse(this.readError);
    return this.#ask(() => this.#log.read(topic, after));
  }

  subscribe(topics: readonly string[], isKept = false): Promise<void> {
    return this.#ask(() => {
      for (const topic of topics) if (isKept) this.#subscribed.add(topic);
    });
  }

  unsubscribe(topics: readonly string[]): Promise<void> {
    return this.#ask(() => {
      for (const topic of topics) this.#subscribed.delete(topic);
    });
  }

  close(): Promise<void> {
    this.disconnect();
    this.#isClosed = true;
    this.#log.brokers.delete(this);
    return Promise.resolve();
  }

  /** Lets the next message be lost, if that is what arrives next. */
  loseMessage(): void {
    if (this.#messages.has(this.#answers[0])) this.#answers.shift();
  }

  /** Whether anything is under way. */
  get isBusy(): boolean {
    return this.#requests.length > 0 || this.#answers.length > 0;
  }

  /** Whether the server has asked something that has not arrived. */
  get hasRequests(): boolean {
    return this.#requests.length > 0;
  }

  /** Lets what the server asked last arrive first. */
  turnRequests(): void {
    this.#requests.reverse();
  }

  /** Lets the next thing come back. */
  stepAnswer(): void {
    this.#answers.shift()?.();
  }

  /** Lets what comes back next be overtaken. */
  swapAnswers(): void {
    const [first, second, ...rest] = this.#answers;
    this.#answers = [second, first, ...rest];
  }

  /** Lets one thing arrive. */
  step(): void {
    const isRequest = this.#requests.length > 0 &&
      (this.#answers.length === 0 || this.#random(2) === 0);
    if (isRequest) this.#requests.shift()!();
    else this.#answers.shift()?.();
  }

  /** Connects. */
  connect(): void {
    if (this.#isConnected || this.#isClosed) return;
    this.#isConnected = true;
    this.#handler.receiveConnected();
  }

  /** Loses the connection: some of what is under way has arrived, and nothing comes back. */
  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    const requests = this.#requests;
    this.#requests = [];
    const arrived = this.#random(requests.length + 1);
    for (const run of requests.slice(0, arrived)) run();
    this.#answers = [];
    this.#handler.receiveLost(new Error("The connection is lost"));
    for (const { reject } of this.#pending) reject(new Error("The connection was lost"));
    this.#pending.clear();
  }

  /** Sends a message, where it is subscribed to. */
  sendKept(topic: string, kept: KeptMessage): void {
    if (!this.#subscribed.has(topic) || !this.#isConnected) return;
    const message = () => this.#kept.receiveKept(topic, kept);
    this.#messages.add(message);
    this.#answers.push(message);
  }

  /** Sends a place that all topics have reached. */
  sendProgress(position: Position): void {
    if (this.#isConnected) this.#answers.push(() => this.#kept.receiveProgress(position));
  }

  async #refuse(error: unknown): Promise<never> {
    await this.#ask(() => {});
    throw error;
  }

  #ask<T>(run: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!this.#isConnected) {
      reject(new Error("There is no connection"));
      return promise;
    }
    const call = { reject };
    this.#pending.add(call);
    this.#requests.push(() => {
      const answer = run();
      this.#answers.push(() => {
        this.#pending.delete(call);
        resolve(answer);
      });
    });
    return promise;
  }
}
