import { MAX_DURATION_MS } from "../../timers.ts";
import type { Clock } from "../../transport/clock.ts";
import { Fifo } from "../../fifo.ts";
import { LinkedList, type Place } from "../../linked_list.ts";
import { ownString } from "../../own_string.ts";
import type { KeepWindow } from "../cluster/broker.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import { RecentFrames } from "./recent_frames.ts";

/** The shortest time between two searches for messages that are too old, in milliseconds. */
const MIN_SWEEP_MS = 1_000;

/** A retained message, or the end of a topic's last subscription, in the order they came. */
interface Entry {
  readonly log: TopicLog;
  /** `undefined` if the entry is the end of the subscriptions. */
  readonly message: PublishedMessage | undefined;
  readonly number: number;
  readonly size: number;
  readonly at: number;
}

export class TopicLog {
  readonly topic: string;
  /** The number by which clients that resume know the topic. */
  readonly number: number;
  /** The number of the last message that is no longer retained; all after it are. */
  lost: number;
  last: number;
  isInUse = false;
  /** The end of its last subscription, while clients that had it may come back. */
  leaving: Place<Entry> | undefined;
  /** The cost of its messages, in bytes. */
  size = 0;
  readonly #entries: Fifo<Place<Entry>> = new Fifo();

  /** @param last The number of the last message there has been. */
  constructor(topic: string, number: number, last: number) {
    this.topic = ownString(topic);
    this.number = number;
    this.last = last;
    this.lost = last;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Returns the messages after a number. */
  since(number: number): PublishedMessage[] {
    const { length } = this.#entries;
    let index = length;
    while (index > 0 && this.#entries.at(index - 1)!.value.number > number) index--;
    const messageAt = (i: number) => this.#entries.at(i)!.value.message!;
    return Array.from({ length: length - index }, (_, i) => messageAt(index + i));
  }

  get first(): Place<Entry> | undefined {
    return this.#entries.peek();
  }

  push(entry: Place<Entry>): void {
    this.#entries.push(entry);
    this.size += entry.value.size;
    this.last = entry.value.number;
  }

  shift(): Place<Entry> {
    const entry = this.#entries.shift()!;
    this.size -= entry.value.size;
    this.lost = entry.value.number;
    return entry;
  }
}

/** All retained messages, limited by age, bytes of a topic and bytes in all. The oldest are dropped first. */
export class RetainedMessages {
  readonly #window: KeepWindow;
  readonly #clock: Clock;
  readonly #onForgotten: (log: TopicLog) => void;
  readonly #logs: Map<string, TopicLog> = new Map();
  readonly #recent: RecentFrames;
  /** The oldest first. */
  #entries: LinkedList<Entry> = new LinkedList();
  #size = 0;
  #timer: unknown;
  #lastTopicNumber = 0;

  /** @param onForgotten Is told of each topic that is forgotten. */
  constructor(window: KeepWindow, clock: Clock, onForgotten: (log: TopicLog) => void) {
    this.#window = window;
    this.#clock = clock;
    this.#recent = new RecentFrames(window.totalSize);
    this.#onForgotten = onForgotten;
  }

  /** The cost of all messages and of the cached frames, in bytes. */
  get size(): number {
    return this.#size + this.#recent.size;
  }

  get topicCount(): number {
    return this.#logs.size;
  }

  get(topic: string): TopicLog | undefined {
    return this.#logs.get(topic);
  }

  /** @param last The number of the last message there has been. */
  open(topic: string, last: number = 0): TopicLog {
    const log = new TopicLog(topic, ++this.#lastTopicNumber, last);
    this.#logs.set(log.topic, log);
    return log;
  }

  delete(log: TopicLog): void {
    this.restart(log, log.last);
    if (log.leaving !== undefined) this.#unlink(log.leaving);
    if (this.#logs.get(log.topic) === log) this.#logs.delete(log.topic);
  }

  /** Drops the messages of a topic, whose next message comes after a number. */
  restart(log: TopicLog, number: number): void {
    while (log.length > 0) this.#unlink(log.shift());
    log.lost = log.last = number;
  }

  add(log: TopicLog, message: PublishedMessage, number: number): void {
    const at = this.#clock.now();
    const entry = this.#link({ log, message, number, size: message.size + MESSAGE_COST, at });
    message.enterWindow(this.#recent);
    log.push(entry);
    while (log.size > this.#window.windowSize) this.#unlink(log.shift());
    this.#trim();
    this.#forgetUnused(log);
  }

  /** Called when a topic's last subscription has ended: it is forgotten once no client can resume. */
  leave(log: TopicLog): void {
    log.isInUse = false;
    if (log.leaving !== undefined) this.#unlink(log.leaving);
    const [number, at] = [log.last, this.#clock.now()];
    log.leaving = this.#link({ log, message: undefined, number, size: MESSAGE_COST, at });
    this.#trim();
  }

  clear(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#logs.clear();
    for (const { message } of this.#entries) message?.leaveWindow();
    this.#entries = new LinkedList();
    this.#size = 0;
  }

  #link(entry: Entry): Place<Entry> {
    this.#size += entry.size;
    return this.#entries.add(entry);
  }

  #unlink(entry: Place<Entry>): void {
    this.#entries.delete(entry);
    this.#size -= entry.value.size;
    entry.value.message?.leaveWindow();
  }

  /** Drops messages that are too old, or too many. */
  #trim(): void {
    const { windowMs, totalSize } = this.#window;
    for (let oldest; (oldest = this.#entries.first) !== undefined;) {
      const { log, at } = oldest.value;
      if (this.#size <= totalSize && this.#clock.now() - at < windowMs) break;
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
    const oldest = this.#entries.first?.value;
    if (this.#timer !== undefined || oldest === undefined) return;
    if (this.#window.windowMs === Infinity) return;
    const dueMs = oldest.at + this.#window.windowMs - this.#clock.now();
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#trim();
    }, Math.min(Math.max(Math.ceil(dueMs), MIN_SWEEP_MS), MAX_DURATION_MS));
    // The process may end without waiting for it.
    (this.#timer as { unref?(): void }).unref?.();
  }
}
