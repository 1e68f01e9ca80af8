import type { Turns } from "../../connection/turns.ts";
import type { Sendable } from "../../connection/connection.ts";
import { ownString } from "../../own_string.ts";
import type { ControlMessage } from "../../resume/subprotocol.ts";
import { Batch, type Entry } from "./batch.ts";
import { memberSize, type PresenceClaim } from "../presence/claim.ts";
import { type Except, PublishedMessage } from "./published_message.ts";
import { SharedTally } from "./shared_memory.ts";
import { Subscriber, type SubscriberAgreement, type SubscriberTopics } from "./subscriber.ts";
import type { FanOutSink } from "../../connection/fan_out.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import { resolveSubscription, TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import { WaitingOrder } from "./waiting_order.ts";
import { queueMicrotask } from "../../timers.ts";

/** Keeps the messages of topics, for subscribers that come back. */
export interface TopicKeeper {
  /** What the messages cost that are kept in memory, in bytes. */
  readonly keptSize: number;
  /** Whether the messages of a topic are kept. */
  isKept(topic: string): boolean;
  /** Is told of a subscription to a topic whose messages are kept. */
  join(subscriber: Subscriber, subscription: TopicSubscription): void;
  /** Is told that a subscriber does not get all of a topic whose messages are kept: it may ask for it anew. */
  lose(subscriber: Subscriber, topic: string): void;
  /** Is told of its end. */
  part(subscriber: Subscriber, topic: string): void;
}

/** Is told which topics have subscribers. */
export interface TopicsWatcher {
  /**
   * Is told of a topic before it gets its first subscriber. There is none where it throws.
   */
  addTopic(topic: string): void;
  /** Is told of a topic that has lost its last subscriber. */
  deleteTopic(topic: string): void;
}

/** How many bytes or characters are gathered for longer than this turn: more would win nothing. */
const MAX_GATHERED = 64 * 1024;

/** Is told of subscriptions that have to do with presence. */
export interface TopicsPresence {
  /** Checks a topic that somebody is to watch. There is no such subscription where it throws. */
  checkTopic(topic: string): void;
  /** Is told that a subscription has come (`before` is undefined), has gone (`after` is), or changed. */
  change(
    topic: string,
    subscriber: Subscriber,
    before: PresenceClaim | undefined,
    after: PresenceClaim | undefined,
  ): void;
}

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
/** What one costs, as {@linkcode Turns.spend} counts. */
const DELIVERY_COST = 256;

const NO_ENTRIES: Entry[] = [];

/**
 * The topics of a server: who is subscribed to which, and what was published lately. That is sent
 * when what has arrived by now has been dealt with, with all that a connection gets in one piece,
 * which is put together once for all connections that get the same.
 */
export class Topics implements SubscriberTopics {
  readonly #subscribers: Map<string, Set<Subscriber>> = new Map();
  /** The names of the topics with subscribers: strings of their own, one for all that is kept. */
  readonly #names: Map<string, string> = new Map();
  /** The subscribers of clients that resume. */
  readonly #resumable: Set<Subscriber> = new Set();
  /** What was published since the last flush, and what is being delivered by one. */
  #published: Entry[] = NO_ENTRIES;
  #delivering: Entry[] = NO_ENTRIES;
  #publishedSize = 0;
  /** How many times messages are to be sent, for the subscribers that there were. */
  #deliveries = 0;
  /** The sequence number of the next message. */
  #next = 0;
  #leastRoom = Infinity;
  #subscriptionCount = 0;
  #dropped = 0;
  readonly #flush = (): void => this.flush(true);
  readonly #countDrop = (): void => void this.#dropped++;
  readonly tally: SharedTally;
  /** Is told which topics have subscribers, where somebody wants to know. */
  watcher: TopicsWatcher | undefined;
  /** Calls back when what has arrived by now has been delivered, as far as the runtime knows. */
  schedule: (flush: () => void) => void = queueMicrotask;
  /** Shares out the event loop, to which deliveries count. */
  turns: Turns | undefined;
  /** Is told who watches, and is in, a topic. */
  presence: TopicsPresence | undefined;
  /** Keeps messages, where any are kept. */
  keeper: TopicKeeper | undefined;

  constructor(tally: SharedTally = new SharedTally()) {
    this.tally = tally;
  }

  /** Creates the subscriber that a connection is. */
  createSubscriber(sink: FanOutSink, agreed: SubscriberAgreement): Subscriber {
    return new Subscriber(sink, this, agreed);
  }

  /** The number of topics with subscribers. */
  get topicCount(): number {
    return this.#subscribers.size;
  }

  /** The number of subscriptions. */
  get subscriptionCount(): number {
    return this.#subscriptionCount;
  }

  /** The number of messages that were dropped, as subscribers were too slow for them. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Counts the subscribers of a topic. */
  subscriberCount(topic: string): number {
    return this.#subscribers.get(topic)?.size ?? 0;
  }

  /** Publishes a message to whoever is subscribed at this moment, and among the audience if there is one. */
  publish(
    topic: string,
    data: Sendable,
    compress: boolean | undefined,
    key: string,
    except: Except,
    audience?: ReadonlySet<Subscriber>,
  ): void {
    if (!this.#subscribers.has(topic)) return;
    this.publishMessage(topic, new PublishedMessage(data, compress, key, except, audience));
  }

  /** Publishes a message as it is. */
  publishMessage(topic: string, message: PublishedMessage): void {
    if (!this.#subscribers.has(topic)) return;
    const entry: Entry = { topic, message, sequence: this.#next++ };
    if (this.#published === NO_ENTRIES) this.#published = [];
    const count = this.#published.push(entry);
    if (count === 1) this.schedule(this.#flush);
    const deliveries = this.#deliveries += this.subscriberCount(topic);
    if (count >= MIN_TOGETHER && deliveries >= MAX_DELIVERIES && this.#delivering === NO_ENTRIES) {
      // Now, so that it is a part of the turn of whoever had them published.
      this.flush(true);
      this.turns?.spend(deliveries * DELIVERY_COST);
      return;
    }
    if (this.#publishedSize < MAX_GATHERED) {
      this.#publishedSize += message.data.length;
      if (this.#publishedSize >= MAX_GATHERED) queueMicrotask(this.#flush);
    }
  }

  subscribe(subscriber: Subscriber, name: string, options: SubscribeOptions): Subscription {
    const topic = this.#names.get(name) ?? ownString(name);
    const settings = resolveSubscription(options);
    if (settings.presence !== undefined) this.presence?.checkTopic(topic);
    // What was published before is not for it, or comes under the settings before.
    this.flushTo(subscriber);
    const before = subscriber.byTopic.get(topic);
    if (before !== undefined) {
      const { presence } = before;
      this.#update(subscriber, before, () => before.update(settings));
      this.#tellPresence(topic, subscriber, presence, settings.presence);
      return before;
    }
    let subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) {
      this.watcher?.addTopic(topic);
      this.#subscribers.set(topic, subscribers = new Set());
      this.#names.set(topic, topic);
    }
    subscribers.add(subscriber);
    if (subscriber.isResumable) this.#resumable.add(subscriber);
    const subscription = new TopicSubscription(topic, subscriber, settings, this.#countDrop);
    this.#subscriptionCount++;
    subscriber.byTopic.set(topic, subscription);
    if (this.keeper?.isKept(topic)) {
      if (subscriber.isGreeted) this.#join(subscriber, subscription);
      else subscriber.addResuming(subscription);
    }
    this.#tellPresence(topic, subscriber, undefined, settings.presence);
    return subscription;
  }

  /** Changes what waits for a subscriber, whose client is told if it gets less of it. */
  #update(subscriber: Subscriber, subscription: TopicSubscription, change: () => void): void {
    const { dropped, topic } = subscription;
    change();
    if (subscription.firstSequence === Infinity) subscriber.deleteWaiting(subscription);
    if (subscription.dropped > dropped) this.#lose(subscriber, topic);
  }

  #lose(subscriber: Subscriber, topic: string): void {
    if (subscriber.isGreeted && this.keeper?.isKept(topic)) this.keeper.lose(subscriber, topic);
  }

  /** Goes on with a subscriber whose client has said how far it got. */
  greet(subscriber: Subscriber): void {
    for (const subscription of [...subscriber.resuming]) {
      subscriber.deleteResuming(subscription);
      this.#join(subscriber, subscription);
    }
  }

  /** Begins with a topic whose messages are kept, once it is known how far the client got. */
  #join(subscriber: Subscriber, subscription: TopicSubscription): void {
    subscription.resumeFrom ??= subscriber.takePosition(subscription.topic);
    if (subscription.resumeFrom !== undefined) subscriber.addResuming(subscription);
    this.keeper!.join(subscriber, subscription);
  }

  unsubscribe(subscriber: Subscriber, topic: string): boolean {
    // What was published before is for it still.
    this.flushTo(subscriber, topic);
    const subscription = subscriber.byTopic.get(topic);
    if (subscription === undefined) return false;
    this.#update(subscriber, subscription, () => subscription.dropAll());
    // What it missed before it came back is not known yet, and not to be had any more.
    if (subscription.resumeFrom !== undefined) this.#lose(subscriber, topic);
    this.#remove(subscriber, subscription);
    return true;
  }

  /** Gives the subscribers of a topic. */
  subscribersOf(topic: string): Iterable<Subscriber> {
    return this.#subscribers.get(topic) ?? [];
  }

  /**
   * Sends what a subscriber missed of a topic; what is published from now on comes behind it.
   *
   * @param note Is sent before it.
   */
  resume(
    subscriber: Subscriber,
    subscription: TopicSubscription,
    note: ControlMessage,
    missed: Iterable<PublishedMessage>,
  ): void {
    // What waits to be sent is not for it: that is in what it missed.
    this.flushTo(subscriber);
    if (subscriber.byTopic.get(subscription.topic) !== subscription) return;
    subscriber.deleteResuming(subscription);
    subscription.resumeFrom = undefined;
    subscriber.sendNote(note);
    for (const message of missed) {
      this.#send(subscriber, subscription, message, this.#next++, true);
      if (!subscriber.isSendable) return;
    }
  }

  /** Tells all clients something that resume, and for whom nothing waits. */
  tellUpToDate(note: ControlMessage): void {
    this.flush();
    for (const subscriber of this.#resumable) {
      this.flushTo(subscriber);
      if (!subscriber.isBehind) subscriber.sendNote(note);
    }
  }

  leave(subscriber: Subscriber): void {
    subscriber.position = Infinity;
    for (const subscription of subscriber.byTopic.values()) this.#remove(subscriber, subscription);
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

  #tellPresence(
    topic: string,
    subscriber: Subscriber,
    before: PresenceClaim | undefined,
    after: PresenceClaim | undefined,
  ): void {
    if (before === undefined && after === undefined) return;
    const change = memberSize(after) - memberSize(before);
    subscriber.tally.count(change);
    subscriber.heldSize += change;
    this.presence?.change(topic, subscriber, before, after);
  }

  #remove(subscriber: Subscriber, subscription: TopicSubscription): void {
    const { topic } = subscription;
    subscriber.delete(subscription);
    if (subscriber.byTopic.size === 0) this.#resumable.delete(subscriber);
    // Before it is greeted, it has not joined.
    if (subscriber.isGreeted && this.keeper?.isKept(topic)) this.keeper.part(subscriber, topic);
    this.#subscriptionCount--;
    const subscribers = this.#subscribers.get(topic)!;
    subscribers.delete(subscriber);
    if (subscribers.size === 0) {
      this.#subscribers.delete(topic);
      this.#names.delete(topic);
      this.watcher?.deleteTopic(topic);
    }
    this.#tellPresence(topic, subscriber, subscription.presence, undefined);
  }
}
