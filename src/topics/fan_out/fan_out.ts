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
import { SharedTally } from "./shared_memory.ts";
import type { Subscriber } from "./subscriber.ts";
import type { TopicsSettings } from "../topics.ts";

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
 * A turn delivers at least so many messages together, and more until they make so many deliveries in all. That
 * is some milliseconds of work, which one client may cause with a few messages.
 */
const MIN_TOGETHER = 16;
const MAX_DELIVERIES = 4096;
/** The cost of a delivery, as {@linkcode Turns.spend} counts it. */
const DELIVERY_COST = 256;

const NONE: readonly Entry[] = [];

/**
 * Sends messages to the subscribers of topics. Published messages are gathered until all that has arrived by then
 * was handled, and are encoded once for all subscribers that get the same.
 *
 * Messages have sequence numbers, and each subscriber has a position: the number before which it was given all.
 * So something else can be sent to one subscriber behind what was published before, while the others still wait for
 * the flush; and no subscriber gets a message twice.
 */
export class FanOut {
  readonly tally: SharedTally;
  readonly #settings: TopicsSettings;
  readonly #subscribers: Map<string, Set<Subscriber>> = new Map();
  /** The names of the topics with subscribers: strings of their own, shared by all that refers to them. */
  readonly #names: Map<string, string> = new Map();
  readonly #resumable: Set<Subscriber> = new Set();
  #published: Entry[] = [];
  /** The messages that a flush is delivering. */
  #delivering: readonly Entry[] = NONE;
  #publishedSize = 0;
  /** How many deliveries `#published` needs, counted when each message was published. */
  #deliveries = 0;
  #nextSequence = 0;
  #leastRoom = Infinity;
  subscriptionCount = 0;
  /** The number of messages dropped for subscribers that were too slow. */
  dropped = 0;
  readonly #flush = (): void => this.flush(true);

  constructor(settings: TopicsSettings) {
    this.#settings = settings;
    this.tally = new SharedTally((change) => settings.onMemoryChange(change));
  }

  get topicCount(): number {
    return this.#subscribers.size;
  }

  subscriberCount(topic: string): number {
    return this.#subscribers.get(topic)?.size ?? 0;
  }

  subscribersOf(topic: string): Iterable<Subscriber> {
    return this.#subscribers.get(topic) ?? [];
  }

  /** Returns a topic's name as a string that is no slice of another. */
  nameOf(topic: string): string {
    return this.#names.get(topic) ?? ownString(topic);
  }

  add(topic: string, subscriber: Subscriber, settings: SubscriptionSettings): TopicSubscription {
    let subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) {
      this.#subscribers.set(topic, subscribers = new Set());
      this.#names.set(topic, topic);
    }
    subscribers.add(subscriber);
    if (subscriber.isResumable) this.#resumable.add(subscriber);
    const subscription = new TopicSubscription(topic, subscriber, settings);
    this.subscriptionCount++;
    subscriber.byTopic.set(topic, subscription);
    return subscription;
  }

  /** Ends a subscription; returns whether it was the last one of its topic. */
  remove(subscription: TopicSubscription): boolean {
    const { topic, subscriber } = subscription;
    subscriber.delete(subscription);
    if (subscriber.byTopic.size === 0) this.#resumable.delete(subscriber);
    this.subscriptionCount--;
    const subscribers = this.#subscribers.get(topic)!;
    subscribers.delete(subscriber);
    if (subscribers.size > 0) return false;
    this.#subscribers.delete(topic);
    this.#names.delete(topic);
    return true;
  }

  publish(publication: Publication): void {
    const { topic } = publication;
    if (this.#subscribers.has(topic)) this.publishMessage(topic, new PublishedMessage(publication));
  }

  publishMessage(topic: string, message: PublishedMessage): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) return;
    const count = this.#published.push({ topic, message, sequence: this.#nextSequence++ });
    if (count === 1) this.#settings.schedule(this.#flush);
    const deliveries = this.#deliveries += subscribers.size;
    const isFlushing = this.#delivering.length > 0;
    if (count >= MIN_TOGETHER && deliveries >= MAX_DELIVERIES && !isFlushing) {
      // Now, so that it is a part of the publisher's turn.
      this.flush(true);
      this.#settings.turns.spend(deliveries * DELIVERY_COST);
      return;
    }
    if (this.#publishedSize < MAX_GATHERED) {
      this.#publishedSize += message.data.length;
      if (this.#publishedSize >= MAX_GATHERED) queueMicrotask(this.#flush);
    }
  }

  /** Sends what was missed of a topic, behind `control`; messages published from now on come after that. */
  replay(
    subscription: TopicSubscription,
    control: ControlMessage,
    missed: Iterable<PublishedMessage>,
  ): void {
    const { subscriber } = subscription;
    // Pending messages of the topic are among those that it missed.
    this.flushTo(subscriber);
    if (subscriber.byTopic.get(subscription.topic) !== subscription) return;
    subscriber.deleteResuming(subscription);
    subscription.resumeFrom = undefined;
    subscriber.sendControl(control);
    for (const message of missed) {
      this.#send(subscription, message, this.#nextSequence++, true);
      if (!subscriber.sink.isOpen) return;
    }
  }

  /** Sends a control message to all clients that resume and have got everything published by now. */
  tellUpToDate(control: ControlMessage): void {
    this.flush();
    for (const subscriber of this.#resumable) {
      this.flushTo(subscriber);
      if (!subscriber.isBehind) subscriber.sendControl(control);
    }
  }

  flush(isLast = false): void {
    const entries = this.#published;
    // During a flush, code of the program may publish: the next flush delivers that.
    if (entries.length === 0 || this.#delivering.length > 0) return;
    this.#delivering = entries;
    this.#published = [];
    this.#publishedSize = this.#deliveries = 0;
    try {
      this.#deliverAll(entries, isLast);
    } finally {
      this.#delivering = NONE;
    }
  }

  /** Sends one subscriber all published by now. Of a topic that it leaves, what is being delivered is skipped. */
  flushTo(subscriber: Subscriber, left?: string): void {
    if (subscriber.byTopic.size === 0) {
      subscriber.position = this.#nextSequence;
    } else {
      this.#giveAll(subscriber, this.#delivering, left);
      this.#giveAll(subscriber, this.#published);
    }
  }

  #giveAll(subscriber: Subscriber, entries: readonly Entry[], left?: string): void {
    let index = entries.length;
    while (index > 0 && entries[index - 1]!.sequence >= subscriber.position) index--;
    // Code of the program may run meanwhile, and publish more.
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
        const isAll = own.size === topics.size;
        batch = new Batch(isAll ? entries : entries.filter(({ topic }) => own.has(topic)));
        batches.set(signature, batch);
      }
      this.#deliver(subscriber, batch, isLast);
    }
  }

  /** Finds the subscribers of topics, with the topics of each, in the same order for all. */
  #findSubscribers(topics: ReadonlySet<string>): Map<Subscriber, string[]> {
    const found = new Map<Subscriber, string[]>();
    for (const topic of topics) {
      for (const subscriber of this.subscribersOf(topic)) {
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
      // Looked at right after one another, the processor fetches them from memory at the same time. The result
      // has to be used, or the compiler would not look.
      this.#leastRoom = Math.min(this.#leastRoom, subscriber.sink.room);
      if (group.push(subscriber) === GROUP_SIZE) deliver();
    }
    deliver();
  }

  #deliver(subscriber: Subscriber, batch: Batch, isLast: boolean): void {
    const { form, sink } = subscriber;
    if (!sink.isOpen) return;
    const { room } = sink;
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

  /** Gives a subscriber a published message, unless it has it already. */
  #give(subscriber: Subscriber, { topic, message, sequence }: Entry): void {
    if (sequence < subscriber.position || !subscriber.sink.isOpen) return;
    subscriber.position = sequence + 1;
    const subscription = subscriber.byTopic.get(topic);
    if (subscription === undefined || subscriber.resuming.has(subscription)) return;
    this.#send(subscription, message, sequence, false);
  }

  #send(
    subscription: TopicSubscription,
    message: PublishedMessage,
    sequence: number,
    isMissed: boolean,
  ): void {
    const { subscriber } = subscription;
    if (!message.isFor(subscriber)) return;
    let isDue = !subscriber.hasWaiting && subscriber.sink.room >= 0;
    if (!isDue) {
      const outcome = subscription.wait(message, sequence, isMissed);
      if (outcome === "waits") subscriber.addWaiting(subscription);
      else subscriber.deleteWaiting(subscription);
      isDue = outcome === "send";
    }
    if (isDue) message.sendTo(subscriber);
  }
}
