import type { Turns } from "../../connection/turns.ts";
import type { Sendable } from "../../connection/connection.ts";
import { SharedTally } from "../../connection/shared_memory.ts";
import type {
  SubscribeOptions,
  Subscriber,
  SubscriberTopics,
  Subscription,
} from "../../connection/subscriber.ts";
import { ownString } from "../../own_string.ts";
import type { Note } from "../../resume/subprotocol.ts";
import { Batch, type Entry } from "./batch.ts";
import { memberSize, type PresenceClaim } from "../presence/claim.ts";
import { type Except, formOf, PublishedMessage } from "./published_message.ts";
import { Subscriptions } from "./subscriptions.ts";
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

const NO_TOPICS: ReadonlySet<string> = new Set();

/**
 * The topics of a server: who is subscribed to which, and what was published lately. That is sent
 * when what has arrived by now has been dealt with, with all that a connection gets in one piece,
 * which is put together once for all connections that get the same.
 */
export class Topics implements SubscriberTopics {
  readonly #subscribers: Map<string, Set<Subscriber>> = new Map();
  /** The names of the topics with subscribers: strings of their own, one for all that is kept. */
  readonly #names: Map<string, string> = new Map();
  readonly #subscriptions: Map<Subscriber, Subscriptions> = new Map();
  #published: Entry[] = [];
  #publishedSize = 0;
  /** How many times messages are to be sent, for the subscribers that there were. */
  #deliveries = 0;
  #place = 0;
  #leastRoom = Infinity;
  /** How many times a subscriber has left a topic. */
  #removed = 0;
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
    const count = this.#published.push({ topic, message, place: this.#place++ });
    if (count === 1) this.schedule(this.#flush);
    const deliveries = this.#deliveries += this.subscriberCount(topic);
    if (count >= MIN_TOGETHER && deliveries >= MAX_DELIVERIES) {
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
    this.flush();
    let own = this.#subscriptions.get(subscriber);
    const before = own?.byTopic.get(topic);
    if (own !== undefined && before !== undefined) {
      const { presence } = before;
      this.#update(subscriber, own, before, () => before.update(settings));
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
    if (own === undefined) {
      this.#subscriptions.set(subscriber, own = new Subscriptions(subscriber));
    }
    const subscription = new TopicSubscription(topic, subscriber, settings, this.#countDrop);
    this.#subscriptionCount++;
    own.byTopic.set(topic, subscription);
    if (this.keeper?.isKept(topic)) {
      if (subscriber.isGreeted) this.#join(subscriber, own, subscription);
      else own.addResuming(subscription);
    }
    this.#tellPresence(topic, subscriber, undefined, settings.presence);
    return subscription;
  }

  /** Changes what waits for a subscriber, who is told where it gets less of it. */
  #update(
    subscriber: Subscriber,
    own: Subscriptions,
    subscription: TopicSubscription,
    change: () => void,
  ): void {
    const { dropped, topic } = subscription;
    change();
    if (subscription.firstPlace === Infinity) own.deleteLagging(subscription);
    if (subscription.dropped > dropped) this.#lose(subscriber, topic);
  }

  #lose(subscriber: Subscriber, topic: string): void {
    if (subscriber.isGreeted && this.keeper?.isKept(topic)) this.keeper.lose(subscriber, topic);
  }

  greet(subscriber: Subscriber): void {
    const own = this.#subscriptions.get(subscriber);
    if (own === undefined) return;
    for (const subscription of [...own.resuming]) {
      own.deleteResuming(subscription);
      this.#join(subscriber, own, subscription);
    }
  }

  /** Begins with a topic whose messages are kept, once it is known how far the subscriber got. */
  #join(subscriber: Subscriber, own: Subscriptions, subscription: TopicSubscription): void {
    subscription.resumeFrom ??= subscriber.takePosition(subscription.topic);
    if (subscription.resumeFrom !== undefined) own.addResuming(subscription);
    this.keeper!.join(subscriber, subscription);
  }

  unsubscribe(subscriber: Subscriber, topic: string): boolean {
    // What was published before is for it still.
    this.flush();
    const own = this.#subscriptions.get(subscriber);
    const subscription = own?.byTopic.get(topic);
    if (own === undefined || subscription === undefined) return false;
    this.#update(subscriber, own, subscription, () => subscription.dropAll());
    // What it missed before it came back is not known yet, and not to be had any more.
    if (subscription.resumeFrom !== undefined) this.#lose(subscriber, topic);
    own.byTopic.delete(topic);
    own.forget(subscription);
    if (own.byTopic.size === 0) this.#subscriptions.delete(subscriber);
    this.#part(subscriber, topic);
    this.#remove(subscriber, topic);
    this.#tellPresence(topic, subscriber, subscription.presence, undefined);
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
    note: Note,
    missed: Iterable<PublishedMessage>,
  ): void {
    const own = this.#subscriptions.get(subscriber);
    // What waits to be sent is not for it: that is in what it missed.
    this.flush();
    if (own?.byTopic.get(subscription.topic) !== subscription) return;
    own.deleteResuming(subscription);
    subscription.resumeFrom = undefined;
    subscriber.sendNote(note);
    for (const message of missed) {
      this.#send(subscriber, own, subscription, { message, place: this.#place++ }, true);
      if (!subscriber.isSendable) return;
    }
  }

  /** Tells all resumable subscribers something for whom nothing waits. */
  tellUpToDate(note: Note): void {
    this.flush();
    for (const subscriber of this.#subscriptions.keys()) {
      if (subscriber.isResumable && !subscriber.isBehind) subscriber.sendNote(note);
    }
  }

  topicsOf(subscriber: Subscriber): ReadonlySet<string> {
    const own = this.#subscriptions.get(subscriber);
    return own === undefined ? NO_TOPICS : new Set(own.byTopic.keys());
  }

  leave(subscriber: Subscriber): void {
    const own = this.#subscriptions.get(subscriber);
    if (own === undefined) return;
    this.#subscriptions.delete(subscriber);
    for (const [topic, subscription] of own.byTopic) {
      own.forget(subscription);
      this.#part(subscriber, topic);
      this.#remove(subscriber, topic);
      this.#tellPresence(topic, subscriber, subscription.presence, undefined);
    }
  }

  #part(subscriber: Subscriber, topic: string): void {
    // Before it is greeted, it has not joined.
    if (subscriber.isGreeted && this.keeper?.isKept(topic)) this.keeper.part(subscriber, topic);
  }

  flush(isLast = false): void {
    const entries = this.#published;
    if (entries.length === 0) return;
    this.#published = [];
    this.#publishedSize = this.#deliveries = 0;
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
      // The program's code may run while others are sent to, and end any subscription.
      if (!this.#subscriptions.has(subscriber)) continue;
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

  hasWaiting(subscriber: Subscriber): boolean {
    return (this.#subscriptions.get(subscriber)?.lagging.size ?? 0) > 0;
  }

  continueSending(subscriber: Subscriber): void {
    const own = this.#subscriptions.get(subscriber);
    if (own === undefined) return;
    // Also where the connection is to be closed: what waits was accepted before.
    let order = new WaitingOrder(own.lagging);
    while (own.lagging.size > 0 && !subscriber.isFinished && subscriber.room >= 0) {
      const { first } = order;
      // The program's code may run while it is sent to, end subscriptions, and publish.
      if (first === undefined) {
        order = new WaitingOrder(own.lagging);
      } else if (!own.lagging.has(first)) {
        order.shift();
      } else {
        const message = first.shift();
        if (first.firstPlace === Infinity) {
          own.deleteLagging(first);
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
    const removed = this.#removed;
    const group: Subscriber[] = [];
    const deliver = () => {
      for (const subscriber of group) {
        // The program's code may run while others are sent to, and end any subscription.
        if (this.#removed !== removed && !subscribers.has(subscriber)) continue;
        this.#deliver(subscriber, batch, isLast);
      }
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
    const form = formOf(subscriber);
    const { room } = subscriber;
    if (!subscriber.isBehind && room >= 0 && form !== undefined && batch.isFor(subscriber)) {
      const frames = batch.encodeFor(subscriber, form);
      if (frames.length <= room) {
        subscriber.sendShared(frames, batch.entries.length, isLast);
        return;
      }
    }
    const own = this.#subscriptions.get(subscriber);
    if (own === undefined) return;
    for (const entry of batch.entries) {
      const subscription = own.byTopic.get(entry.topic);
      if (subscription === undefined || own.resuming.has(subscription)) continue;
      this.#send(subscriber, own, subscription, entry, false);
      if (!subscriber.isSendable) return;
    }
  }

  /** Sends one message, or has it wait. */
  #send(
    subscriber: Subscriber,
    own: Subscriptions,
    subscription: TopicSubscription,
    { message, place }: Pick<Entry, "message" | "place">,
    isMissed: boolean,
  ): void {
    if (!message.isFor(subscriber)) return;
    let isDue = own.lagging.size === 0 && subscriber.room >= 0;
    if (!isDue) {
      const outcome = subscription.wait(message, place, isMissed);
      if (outcome === "waits") own.addLagging(subscription);
      else own.deleteLagging(subscription);
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
    subscriber.topicsSize += change;
    this.presence?.change(topic, subscriber, before, after);
  }

  #remove(subscriber: Subscriber, topic: string): void {
    this.#removed++;
    this.#subscriptionCount--;
    const subscribers = this.#subscribers.get(topic)!;
    subscribers.delete(subscriber);
    if (subscribers.size > 0) return;
    this.#subscribers.delete(topic);
    this.#names.delete(topic);
    this.watcher?.deleteTopic(topic);
  }
}
