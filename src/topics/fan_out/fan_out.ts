import type { Turns } from "../../connection/turns.ts";
import { ownString } from "../../own_string.ts";
import type { ControlMessage } from "../../resume/subprotocol.ts";
import { queueMicrotask } from "../../timers.ts";
import {
  type SubscriptionSettings,
  TopicSubscription,
} from "../slow_consumers/topic_subscription.ts";
import { Batch, type Entry } from "./batch.ts";
import type { Publication } from "./publication.ts";
import { PublishedMessage } from "./published_message.ts";
import type { SharedTally } from "./shared_memory.ts";
import type { Subscriber } from "./subscriber.ts";
import { WaitingOrder } from "./waiting_order.ts";

/** Calls back when everything that has arrived by now has been delivered, as far as the runtime knows. */
export type Schedule = (flush: () => void) => void;

/** How many bytes or characters are gathered for longer than this turn: more would gain nothing. */
const MAX_GATHERED = 64 * 1024;

/**
 * How many subscribers are looked at before the first of them is sent to. Of thousands, none is in the
 * processor's caches any more, and to wait for each by itself is most of what sending costs here.
 */
const GROUP_SIZE = 16;

/**
 * So many messages are delivered together at least, and no more once they are for so many subscribers in
 * all: some milliseconds of work, which one client may cause by some messages.
 */
const MIN_TOGETHER = 16;
const MAX_DELIVERIES = 4096;
/** The cost of a delivery, as {@linkcode Turns.spend} counts it. */
const DELIVERY_COST = 256;

const NO_ENTRIES: Entry[] = [];

/**
 * Sends messages to the subscribers of topics. What is published is gathered until everything that has arrived
 * by then was dealt with; it is put together once for all subscribers that get the same.
 *
 * All messages have a sequence number, and every subscriber a position up to which it was given them. So what
 * else is sent to one subscriber can come behind what was published before, while the others still wait for
 * the flush; and none gets a message twice.
 */
export class FanOut {
  readonly tally: SharedTally;
  readonly #turns: Turns;
  readonly #schedule: Schedule;
  readonly #subscribers: Map<string, Set<Subscriber>> = new Map();
  /** The names of the topics with subscribers: strings of their own, shared by all that refers to them. */
  readonly #names: Map<string, string> = new Map();
  /** The subscribers of clients that resume. */
  readonly #resumable: Set<Subscriber> = new Set();
  /** What was published since the last flush, and what is being delivered by one. */
  #published: Entry[] = NO_ENTRIES;
  #delivering: Entry[] = NO_ENTRIES;
  #publishedSize = 0;
  /** How many deliveries `#published` takes, for the subscribers that there were. */
  #deliveries = 0;
  /** The sequence number of the next message. */
  #next = 0;
  #leastRoom = Infinity;
  #subscriptionCount = 0;
  #dropped = 0;
  readonly #flush = (): void => this.flush(true);
  readonly #countDrop = (): void => void this.#dropped++;

  /**
   * @param tally Counts the memory that subscribers share.
   * @param turns Share out the event loop, to which deliveries count.
   */
  constructor(tally: SharedTally, turns: Turns, schedule: Schedule) {
    this.tally = tally;
    this.#turns = turns;
    this.#schedule = schedule;
  }

  /** The number of topics with subscribers. */
  get topicCount(): number {
    return this.#subscribers.size;
  }

  /** The number of subscriptions. */
  get subscriptionCount(): number {
    return this.#subscriptionCount;
  }

  /** The number of messages that subscribers were too slow for. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Counts the subscribers of a topic. */
  subscriberCount(topic: string): number {
    return this.#subscribers.get(topic)?.size ?? 0;
  }

  /** Gives the subscribers of a topic. */
  subscribersOf(topic: string): Iterable<Subscriber> {
    return this.#subscribers.get(topic) ?? [];
  }

  /** Gives a topic's name as a string that is no slice of another. */
  nameOf(topic: string): string {
    return this.#names.get(topic) ?? ownString(topic);
  }

  /** Adds a subscription, for what is published from now on. */
  add(topic: string, subscriber: Subscriber, settings: SubscriptionSettings): TopicSubscription {
    let subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) {
      this.#subscribers.set(topic, subscribers = new Set());
      this.#names.set(topic, topic);
    }
    subscribers.add(subscriber);
    if (subscriber.isResumable) this.#resumable.add(subscriber);
    const subscription = new TopicSubscription(topic, subscriber, settings, this.#countDrop);
    this.#subscriptionCount++;
    subscriber.byTopic.set(topic, subscription);
    return subscription;
  }

  /** Ends a subscription; tells whether it was the last one of its topic. */
  remove(subscriber: Subscriber, subscription: TopicSubscription): boolean {
    const { topic } = subscription;
    subscriber.delete(subscription);
    if (subscriber.byTopic.size === 0) this.#resumable.delete(subscriber);
    this.#subscriptionCount--;
    const subscribers = this.#subscribers.get(topic)!;
    subscribers.delete(subscriber);
    if (subscribers.size > 0) return false;
    this.#subscribers.delete(topic);
    this.#names.delete(topic);
    return true;
  }

  /** Publishes a message to the subscribers that there are at this moment. */
  publish(publication: Publication): void {
    const { topic } = publication;
    if (this.#subscribers.has(topic)) this.publishMessage(topic, new PublishedMessage(publication));
  }

  /** Publishes a message as it is. */
  publishMessage(topic: string, message: PublishedMessage): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) return;
    if (this.#published === NO_ENTRIES) this.#published = [];
    const count = this.#published.push({ topic, message, sequence: this.#next++ });
    if (count === 1) this.#schedule(this.#flush);
    const deliveries = this.#deliveries += subscribers.size;
    if (count >= MIN_TOGETHER && deliveries >= MAX_DELIVERIES && this.#delivering === NO_ENTRIES) {
      // Now, so that it is a part of the publisher's turn.
      this.flush(true);
      this.#turns.spend(deliveries * DELIVERY_COST);
      return;
    }
    if (this.#publishedSize < MAX_GATHERED) {
      this.#publishedSize += message.data.length;
      if (this.#publishedSize >= MAX_GATHERED) queueMicrotask(this.#flush);
    }
  }

  /**
   * Sends what a subscriber missed of a topic; what is published from now on comes behind it.
   *
   * @param control Is sent before it.
   */
  replay(
    subscriber: Subscriber,
    subscription: TopicSubscription,
    control: ControlMessage,
    missed: Iterable<PublishedMessage>,
  ): void {
    // What waits to be sent is not for it: that is in what it missed.
    this.flushTo(subscriber);
    if (subscriber.byTopic.get(subscription.topic) !== subscription) return;
    subscriber.deleteResuming(subscription);
    subscription.resumeFrom = undefined;
    subscriber.sendControl(control);
    for (const message of missed) {
      this.#send(subscriber, subscription, message, this.#next++, true);
      if (!subscriber.isSendable) return;
    }
  }

  /** Tells all clients something that resume, and for whom nothing waits. */
  tellUpToDate(control: ControlMessage): void {
    this.flush();
    for (const subscriber of this.#resumable) {
      this.flushTo(subscriber);
      if (!subscriber.isBehind) subscriber.sendControl(control);
    }
  }

  /** Sends what was published by now to all whom it is for. */
  flush(isLast = false): void {
    const entries = this.#published;
    // Within a flush, program code may publish: that is delivered by the next one, behind what this one delivers.
    if (entries.length === 0 || this.#delivering !== NO_ENTRIES) return;
    this.#delivering = entries;
    this.#published = NO_ENTRIES;
    this.#publishedSize = this.#deliveries = 0;
    try {
      this.#deliverAll(entries, isLast);
    } finally {
      this.#delivering = NO_ENTRIES;
    }
  }

  /**
   * Sends one subscriber what was published by now, since something else comes behind that.
   *
   * @param left A topic that it leaves: what is being delivered of it by a flush is not sent any more.
   */
  flushTo(subscriber: Subscriber, left?: string): void {
    if (subscriber.byTopic.size === 0) {
      subscriber.position = this.#next;
    } else {
      this.#giveAll(subscriber, this.#delivering, left);
      this.#giveAll(subscriber, this.#published);
    }
  }

  #giveAll(subscriber: Subscriber, entries: readonly Entry[], left?: string): void {
    let index = entries.length;
    while (index > 0 && entries[index - 1]!.sequence >= subscriber.position) index--;
    // Program code may run meanwhile, and publish more.
    for (; index < entries.length; index++) {
      const entry = entries[index]!;
      if (entry.topic === left) subscriber.position = entry.sequence + 1;
      else this.#give(subscriber, entry);
    }
  }

  #deliverAll(entries: readonly Entry[], isLast: boolean): void {
    const topics = new Set<string>();
    for (const { topic } of entries) topics.add(topic);
    if (topics.size === 1) {
      const batch = new Batch(entries);
      const subscribers = this.#subscribers.get(entries[0]!.topic);
      if (subscribers !== undefined) this.#deliverToAll(subscribers, batch, isLast);
      return;
    }
    const batches = new Map<string, Batch>();
    for (const [subscriber, names] of this.#findSubscribers(topics)) {
      const signature = JSON.stringify(names);
      let batch = batches.get(signature);
      if (batch === undefined) {
        const own = new Set(names);
        batch = new Batch(
          own.size === topics.size ? entries : entries.filter(({ topic }) => own.has(topic)),
        );
        batches.set(signature, batch);
      }
      this.#deliver(subscriber, batch, isLast);
    }
  }

  continueSending(subscriber: Subscriber): void {
    // Also if the connection is to be closed: what waits was accepted before.
    let order = new WaitingOrder(subscriber.waiting);
    while (subscriber.hasWaiting && !subscriber.isFinished && subscriber.room >= 0) {
      const { first } = order;
      // The program's code may run while it is sent to, end subscriptions, and publish.
      if (first === undefined) {
        order = new WaitingOrder(subscriber.waiting);
      } else if (!subscriber.waiting.has(first)) {
        order.shift();
      } else {
        const message = first.shift();
        if (first.firstSequence === Infinity) {
          subscriber.deleteWaiting(first);
          order.shift();
        } else {
          order.update();
        }
        message.sendTo(subscriber);
      }
    }
  }

  /** Gives each subscriber of the topics, with those it is subscribed to, in the same order for all. */
  #findSubscribers(topics: ReadonlySet<string>): Map<Subscriber, string[]> {
    const found = new Map<Subscriber, string[]>();
    for (const topic of topics) {
      for (const subscriber of this.#subscribers.get(topic) ?? []) {
        const names = found.get(subscriber);
        if (names === undefined) found.set(subscriber, [topic]);
        else names.push(topic);
      }
    }
    return found;
  }

  #deliverToAll(subscribers: ReadonlySet<Subscriber>, batch: Batch, isLast: boolean): void {
    const group: Subscriber[] = [];
    const deliver = () => {
      for (const subscriber of group) this.#deliver(subscriber, batch, isLast);
      group.length = 0;
    };
    for (const subscriber of subscribers) {
      // Looked at right after one another, the processor fetches them from memory at the same time. What
      // is seen has to be used, or the compiler would not look.
      this.#leastRoom = Math.min(this.#leastRoom, subscriber.room);
      if (group.push(subscriber) === GROUP_SIZE) deliver();
    }
    deliver();
  }

  #deliver(subscriber: Subscriber, batch: Batch, isLast: boolean): void {
    if (!subscriber.isSendable) return;
    const { form, room } = subscriber;
    const isWhole = !subscriber.isBehind && subscriber.position <= batch.first;
    if (isWhole && room >= 0 && form !== undefined && batch.isFor(subscriber)) {
      const frames = batch.encodeFor(subscriber, form);
      if (frames.length <= room) {
        subscriber.position = batch.end;
        subscriber.sendShared(frames, batch.entries.length, isLast);
        return;
      }
    }
    for (const entry of batch.entries) this.#give(subscriber, entry);
  }

  /** Gives a subscriber a message that was published, unless it has it already. */
  #give(subscriber: Subscriber, { topic, message, sequence }: Entry): void {
    if (sequence < subscriber.position || !subscriber.isSendable) return;
    subscriber.position = sequence + 1;
    const subscription = subscriber.byTopic.get(topic);
    if (subscription === undefined || subscriber.resuming.has(subscription)) return;
    this.#send(subscriber, subscription, message, sequence, false);
  }

  /** Sends one message, or has it wait. */
  #send(
    subscriber: Subscriber,
    subscription: TopicSubscription,
    message: PublishedMessage,
    sequence: number,
    isMissed: boolean,
  ): void {
    if (!message.isFor(subscriber)) return;
    let isDue = !subscriber.hasWaiting && subscriber.room >= 0;
    if (!isDue) {
      const outcome = subscription.wait(message, sequence, isMissed);
      if (outcome === "waits") subscriber.addWaiting(subscription);
      else subscriber.deleteWaiting(subscription);
      isDue = outcome === "send";
    }
    if (isDue) message.sendTo(subscriber);
  }
}
