import { MAX_DURATION_MS } from "../../checks.ts";
import type { Clock } from "../../transport/clock.ts";
import { Fifo } from "../../fifo.ts";
import { ownString } from "../../own_string.ts";
import type { KeepWindow } from "../cluster/broker.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import { RecentFrames } from "./recent_frames.ts";

/** The shortest time between two looks at what is too old, in milliseconds. */
const MIN_SWEEP_MS = 1_000;

/** A retained message, or the end of a topic's last subscription, in the order they came. */
interface Entry {
  readonly log: TopicLog;
  /** `undefined` if the entry is the end of the subscriptions. */
  readonly message: PublishedMessage | undefined;
  readonly number: number;
  readonly size: number;
  readonly at: number;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** The retained messages of one topic. */
export class TopicLog {
  /** The topic's name. */
  readonly topic: string;
  /** Its number, by which clients that resume know it. */
  readonly number: number;
  /** The number of the latest message that is no longer retained; all after it are. */
  lost: number;
  /** The number of its latest message. */
  last: number;
  /** Whether it has subscribers. */
  isInUse = false;
  /** The end of its last subscription, while clients that had it may come back. */
  leaving: Entry | undefined;
  readonly #entries: Fifo<Entry> = new Fifo();
  #size = 0;

  /** @param last The number of the latest message there has been. */
  constructor(topic: string, number: number, last: number) {
    this.topic = ownString(topic);
    this.number = number;
    this.last = last;
    this.lost = last;
  }

  /** The number of messages. */
  get length(): number {
    return this.#entries.length;
  }

  /** The cost of the messages, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Gives the messages behind a number, in their order. */
  since(number: number): PublishedMessage[] {
    const { length } = this.#entries;
    let index = length;
    while (index > 0 && this.#entries.at(index - 1)!.number > number) index--;
    return Array.from({ length: length - index }, (_, i) => this.#entries.at(index + i)!.message!);
  }

  /** The oldest message. */
  get first(): Entry | undefined {
    return this.#entries.peek();
  }

  /** Adds a message. */
  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#size += entry.size;
    this.last = entry.number;
  }

  /** Starts again after a number. */
  restart(number: number): void {
    this.lost = this.last = number;
  }

  /** Drops the oldest message. */
  shift(): Entry {
    const entry = this.#entries.shift()!;
    this.#size -= entry.size;
    this.lost = entry.number;
    return entry;
  }
}

/**
 * The messages of all topics that are retained in memory, within three limits: their age, the bytes of a topic,
 * and the bytes of all together. The oldest are dropped first.
 */
export class RetainedMessages {
  readonly #window: KeepWindow;
  readonly #clock: Clock;
  readonly #onForgotten: (log: TopicLog) => void;
  readonly #logs: Map<string, TopicLog> = new Map();
  readonly #recent: RecentFrames;
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #size = 0;
  #timer: unknown;

  /** @param onForgotten Is told of each topic that is forgotten. */
  constructor(window: KeepWindow, clock: Clock, onForgotten: (log: TopicLog) => void) {
    this.#window = window;
    this.#clock = clock;
    this.#recent = new RecentFrames(window.totalSize);
    this.#onForgotten = onForgotten;
  }

  /** Their cost in bytes, with those of their frames that were encoded last. */
  get size(): number {
    return this.#size + this.#recent.size;
  }

  /** The number of topics that are not forgotten. */
  get topicCount(): number {
    return this.#logs.size;
  }

  /** Gives the log of a topic, if there is one. */
  get(topic: string): TopicLog | undefined {
    return this.#logs.get(topic);
  }

  /** Begins the log of a topic. */
  open(log: TopicLog): TopicLog {
    this.#logs.set(log.topic, log);
    return log;
  }

  /** Forgets a topic, and its messages. */
  delete(log: TopicLog): void {
    while (log.length > 0) this.#unlink(log.shift());
    if (log.leaving !== undefined) this.#unlink(log.leaving);
    if (this.#logs.get(log.topic) === log) this.#logs.delete(log.topic);
  }

  /** Drops the messages of a topic, which goes on after a number. */
  restart(log: TopicLog, number: number): void {
    while (log.length > 0) this.#unlink(log.shift());
    log.restart(number);
  }

  /** Adds a message. */
  add(log: TopicLog, message: PublishedMessage, number: number): void {
    const entry = this.#link(log, message, number, message.size + MESSAGE_COST);
    message.enterWindow(this.#recent);
    log.push(entry);
    while (log.size > this.#window.windowSize) this.#unlink(log.shift());
    this.#trim();
    this.#forgetUnused(log);
  }

  /** Takes the end of a topic's last subscription: the topic is forgotten once no client may come back. */
  leave(log: TopicLog): void {
    log.isInUse = false;
    if (log.leaving !== undefined) this.#unlink(log.leaving);
    log.leaving = this.#link(log, undefined, log.last, MESSAGE_COST);
    this.#trim();
  }

  /** Forgets all. */
  clear(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#logs.clear();
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) {
      entry.message?.leaveWindow();
    }
    this.#oldest = this.#newest = undefined;
    this.#size = 0;
  }

  #link(
    log: TopicLog,
    message: PublishedMessage | undefined,
    number: number,
    size: number,
  ): Entry {
    const at = this.#clock.now();
    const entry = { log, message, number, size, at, older: this.#newest, newer: undefined };
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#size += size;
    return entry;
  }

  #unlink(entry: Entry): void {
    const { older, newer } = entry;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    this.#size -= entry.size;
    entry.message?.leaveWindow();
  }

  /** Drops what is too old, or too much. */
  #trim(): void {
    const { windowMs, totalSize } = this.#window;
    const isTooOld = ({ at }: Entry) => this.#clock.now() - at >= windowMs;
    for (let oldest = this.#oldest; oldest !== undefined; oldest = this.#oldest) {
      if (this.#size <= totalSize && !isTooOld(oldest)) break;
      const { log } = oldest;
      // The oldest of all is the oldest of its topic.
      if (oldest === log.first) log.shift();
      else log.leaving = undefined;
      this.#unlink(oldest);
      this.#forgetUnused(log);
    }
    this.#schedule();
  }

  #forgetUnused(log: TopicLog): void {
    if (log.length > 0 || log.isInUse || log.leaving !== undefined) return;
    if (this.#logs.delete(log.topic)) this.#onForgotten(log);
  }

  #schedule(): void {
    const oldest = this.#oldest;
    if (this.#timer !== undefined || oldest === undefined) return;
    if (this.#window.windowMs === Infinity) return;
    const dueMs = oldest.at + this.#window.windowMs - this.#clock.now();
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#trim();
    }, Math.min(Math.max(Math.ceil(dueMs), MIN_SWEEP_MS), MAX_DURATION_MS));
    // Nobody waits for it: the process may end before.
    (this.#timer as { unref?(): void }).unref?.();
  }
}
