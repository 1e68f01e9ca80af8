import type { Message } from "../connection/connection.ts";
import type {
  SubscribeOptions,
  Subscriber,
  SubscriberTopics,
  Subscription,
} from "../connection/subscriber.ts";
import { Batch, type Entry } from "./batch.ts";
import type { PresenceClaim } from "./presence_claim.ts";
import { PublishedMessage } from "./published_message.ts";
import { TopicSubscription } from "./topic_subscription.ts";

/** What a subscriber is subscribed to. */
interface Subscriptions {
  readonly byTopic: Map<string, TopicSubscription>;
  /** Those with messages that wait for it. */
  readonly lagging: Set<TopicSubscription>;
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

const NO_TOPICS: ReadonlySet<string> = new Set();

/**
 * The topics of a server: who is subscribed to which, and what was published lately. That is sent
 * when what has arrived by now has been dealt with, with all that a connection gets in one piece,
 * which is put together once for all connections that get the same.
 */
export class Topics implements SubscriberTopics {
  readonly #subscribers: Map<string, Map<Subscriber, TopicSubscription>> = new Map();
  readonly #subscriptions: Map<Subscriber, Subscriptions> = new Map();
  #published: Entry[] = [];
  #publishedSize = 0;
  #place = 0;
  readonly #flush = (): void => this.flush(true);
  /** Is told which topics have subscribers, where somebody wants to know. */
  watcher: TopicsWatcher | undefined;
  /** Calls back when what has arrived by now has been delivered, as far as the runtime knows. */
  schedule: (flush: () => void) => void = queueMicrotask;
  /** Is told who watches, and is in, a topic. */
  presence: TopicsPresence | undefined;

  /** Counts the subscribers of a topic. */
  subscriberCount(topic: string): number {
    return this.#subscribers.get(topic)?.size ?? 0;
  }

  /** Publishes a message to whoever is subscribed at this moment, and among the audience if there is one. */
  publish(
    topic: string,
    data: Message,
    compress: boolean | undefined,
    key: string,
    except: Subscriber | undefined,
    audience?: ReadonlySet<Subscriber>,
  ): void {
    if (!this.#subscribers.has(topic)) return;
    const message = new PublishedMessage(data, compress, key, except, audience);
    const count = this.#published.push({ topic, message, place: this.#place++ });
    if (count === 1) this.schedule(this.#flush);
    if (this.#publishedSize < MAX_GATHERED) {
      this.#publishedSize += data.length;
      if (this.#publishedSize >= MAX_GATHERED) queueMicrotask(this.#flush);
    }
  }

  subscribe(subscriber: Subscriber, topic: string, options: SubscribeOptions): Subscription {
    const subscription = new TopicSubscription(topic, options);
    if (subscription.presence !== undefined) this.presence?.checkTopic(topic);
    // What was published before is not for it.
    this.flush();
    let subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) {
      this.watcher?.addTopic(topic);
      this.#subscribers.set(topic, subscribers = new Map());
    }
    subscribers.set(subscriber, subscription);
    let own = this.#subscriptions.get(subscriber);
    if (own === undefined) {
      this.#subscriptions.set(subscriber, own = { byTopic: new Map(), lagging: new Set() });
    }
    const before = own.byTopic.get(topic);
    if (before !== undefined) own.lagging.delete(before);
    own.byTopic.set(topic, subscription);
    this.#tellPresence(topic, subscriber, before, subscription);
    return subscription;
  }

  unsubscribe(subscriber: Subscriber, topic: string): boolean {
    // What was published before is for it still.
    this.flush();
    const own = this.#subscriptions.get(subscriber);
    const subscription = own?.byTopic.get(topic);
    if (own === undefined || subscription === undefined) return false;
    own.byTopic.delete(topic);
    own.lagging.delete(subscription);
    if (own.byTopic.size === 0) this.#subscriptions.delete(subscriber);
    this.#remove(subscriber, topic);
    this.#tellPresence(topic, subscriber, subscription, undefined);
    return true;
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
      this.#remove(subscriber, topic);
      this.#tellPresence(topic, subscriber, subscription, undefined);
    }
  }

  flush(isLast = false): void {
    const entries = this.#published;
    if (entries.length === 0) return;
    this.#published = [];
    this.#publishedSize = 0;
    const topics = new Set<string>();
    for (const { topic } of entries) topics.add(topic);
    if (topics.size === 1) {
      const batch = new Batch(entries);
      for (const subscriber of this.#subscribers.get(entries[0].topic)?.keys() ?? []) {
        this.#deliver(subscriber, batch, isLast);
      }
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
    const own = this.#subscriptions.get(subscriber);
    if (own === undefined) return;
    while (own.lagging.size > 0 && subscriber.isSendable && subscriber.room >= 0) {
      let first: TopicSubscription | undefined;
      for (const subscription of own.lagging) {
        if (first === undefined || subscription.firstPlace < first.firstPlace) first = subscription;
      }
      send(subscriber, first!.shift());
      if (first!.firstPlace === Infinity) own.lagging.delete(first!);
    }
  }

  /** Gives each subscriber of the topics, with those it is subscribed to, in the same order for all. */
  #findSubscribers(topics: ReadonlySet<string>): Map<Subscriber, string[]> {
    const found = new Map<Subscriber, string[]>();
    for (const topic of topics) {
      for (const subscriber of this.#subscribers.get(topic)?.keys() ?? []) {
        const names = found.get(subscriber);
        if (names === undefined) found.set(subscriber, [topic]);
        else names.push(topic);
      }
    }
    return found;
  }

  #deliver(subscriber: Subscriber, batch: Batch, isLast: boolean): void {
    const own = this.#subscriptions.get(subscriber);
    // The program's code may run while others are sent to, and end any subscription.
    if (own === undefined || !subscriber.isSendable) return;
    if (
      !batch.hasExceptions && subscriber.sharedWindowBits !== undefined && own.lagging.size === 0
    ) {
      const frames = batch.encodeFor(subscriber);
      if (frames.length <= subscriber.room) {
        subscriber.sendShared(frames, batch.entries.length, isLast);
        return;
      }
    }
    for (const { topic, message, place } of batch.entries) {
      const subscription = own.byTopic.get(topic);
      if (subscription === undefined || !message.isFor(subscriber)) continue;
      let isDue = own.lagging.size === 0 && subscriber.room >= 0;
      if (!isDue) {
        const outcome = subscription.wait(subscriber, message, place);
        if (outcome === "waits") own.lagging.add(subscription);
        else own.lagging.delete(subscription);
        isDue = outcome === "send";
      }
      if (isDue) send(subscriber, message);
      if (!subscriber.isSendable) return;
    }
  }

  #tellPresence(
    topic: string,
    subscriber: Subscriber,
    before: TopicSubscription | undefined,
    after: TopicSubscription | undefined,
  ): void {
    if (before?.presence === undefined && after?.presence === undefined) return;
    this.presence?.change(topic, subscriber, before?.presence, after?.presence);
  }

  #remove(subscriber: Subscriber, topic: string): void {
    const subscribers = this.#subscribers.get(topic)!;
    subscribers.delete(subscriber);
    if (subscribers.size > 0) return;
    this.#subscribers.delete(topic);
    this.watcher?.deleteTopic(topic);
  }
}

function send(subscriber: Subscriber, message: PublishedMessage): void {
  if (subscriber.sharedWindowBits === undefined) {
    subscriber.sendAlone(message.data, message.compress);
  } else {
    subscriber.sendShared(message.encodeFor(subscriber), 1, false);
  }
}
