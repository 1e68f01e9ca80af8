import type { FanOutSink } from "../connection/fan_out.ts";
import type { Turns } from "../connection/turns.ts";
import type { Clock } from "../transport/clock.ts";
import type { Broker, BrokerEvent, BrokerStats } from "./cluster/broker.ts";
import type { BrokerLink } from "./cluster/broker_link.ts";
import { FanOut, type Schedule } from "./fan_out/fan_out.ts";
import type { Publication } from "./fan_out/publication.ts";
import { Subscriber, type SubscriberAgreement } from "./fan_out/subscriber.ts";
import type { SubscribeOptions, Subscription } from "./fan_out/subscription.ts";
import { memberSize, type PresenceClaim } from "./presence/claim.ts";
import type { PresenceSettings, PresentMember } from "./presence/options.ts";
import { Presence } from "./presence/presence.ts";
import type { ResumeSettings } from "./retention/memory_store.ts";
import type { MessageStore } from "./retention/message_store.ts";
import {
  resolveSubscription,
  type TopicSubscription,
} from "./slow_consumers/topic_subscription.ts";

export interface TopicsSettings {
  readonly presence: PresenceSettings;
  readonly broker: Broker | undefined;
  readonly brokerQueueSize: number;
  readonly resume: ResumeSettings | undefined;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly schedule: Schedule;
  /** Takes changes of the memory that subscribers share, in bytes. */
  onMemoryChange(change: number): void;
  /** Takes what the program's code throws. */
  onError(error: unknown): void;
  onBrokerEvent(event: BrokerEvent): void;
}

export interface TopicsStats {
  readonly topics: number;
  readonly subscriptions: number;
  readonly messagesDropped: number;
  /** The bytes that subscribers share. */
  readonly sharedSize: number;
  /** The bytes of retained messages, if any are retained. */
  readonly keptSize: number | undefined;
  readonly broker: BrokerStats | undefined;
}

/** All topics of a server. A broker and the retention of messages are loaded if options ask for them. */
export class Topics {
  readonly #fanOut: FanOut;
  readonly #presence: Presence;
  /** Ends all subscriptions of a connection that has ended. */
  readonly #leave = (subscriber: Subscriber): void => {
    subscriber.position = Infinity;
    for (const subscription of subscriber.byTopic.values()) this.#remove(subscription);
  };
  #broker: BrokerLink | undefined;
  /** Retains messages for clients that resume, with the broker if there is one. */
  #store: MessageStore | undefined;

  static async create(settings: TopicsSettings): Promise<Topics> {
    const topics = new Topics(settings);
    if (settings.broker !== undefined) {
      const { BrokerLink } = await import("./cluster/broker_link.ts");
      topics.#broker = new BrokerLink(settings, topics.#fanOut, topics.#presence);
      topics.#store = topics.#broker.store;
    } else if (settings.resume !== undefined) {
      const { MemoryStore } = await import("./retention/memory_store.ts");
      topics.#store = new MemoryStore(settings.resume, topics.#fanOut, settings.clock);
    }
    return topics;
  }

  private constructor(settings: TopicsSettings) {
    this.#fanOut = new FanOut(settings);
    this.#presence = new Presence(settings, this.#fanOut);
  }

  async start(): Promise<void> {
    await this.#broker?.start();
  }

  /** Forgets what is retained, and closes the broker. */
  async close(): Promise<void> {
    if (this.#broker === undefined) this.#store?.close();
    else await this.#broker.close();
  }

  /** @throws {RangeError | TypeError} If the topic is too long, or the broker can't take it or the key. */
  publish(publication: Publication): void {
    if (this.#broker !== undefined) this.#broker.publish(publication);
    else if (this.#store?.isRetained(publication.topic)) this.#store.publish(publication);
    else this.#fanOut.publish(publication);
  }

  subscriberCount(topic: string): number {
    return this.#fanOut.subscriberCount(topic);
  }

  listMembers(topic: string): Promise<PresentMember[]> {
    return this.#presence.list(topic);
  }

  stats(): TopicsStats {
    const { topicCount, subscriptionCount, dropped, tally } = this.#fanOut;
    return {
      topics: topicCount,
      subscriptions: subscriptionCount,
      messagesDropped: dropped,
      sharedSize: tally.size,
      keptSize: this.#store?.size,
      broker: this.#broker?.stats(),
    };
  }

  createSubscriber(sink: FanOutSink, agreed: SubscriberAgreement): Subscriber {
    return new Subscriber(sink, this.#fanOut, agreed, this.#leave);
  }

  /** See `ServerConnection.subscribe`. */
  subscribe(subscriber: Subscriber, name: string, options: SubscribeOptions): Subscription {
    const topic = this.#fanOut.nameOf(name);
    const settings = resolveSubscription(options);
    if (settings.presence !== undefined) this.#presence.checkTopic(topic);
    // Messages published before are not for the subscription, or are sent under its earlier settings.
    subscriber.sendPublished();
    // That may have run code of the program, which ended the connection.
    subscriber.sink.throwIfClosed();
    const before = subscriber.byTopic.get(topic);
    if (before !== undefined) {
      const { presence } = before;
      this.#update(before, () => before.update(settings));
      this.#tellPresence(before, presence, settings.presence);
      return before;
    }
    // If this throws, there is no subscription.
    if (this.subscriberCount(topic) === 0) (this.#broker ?? this.#store)?.addTopic(topic);
    const subscription = this.#fanOut.add(topic, subscriber, settings);
    if (subscriber.isResumable && this.#store?.isRetained(topic)) {
      if (subscriber.hasRequest) this.#join(this.#store, subscription);
      else subscriber.addResuming(subscription);
    }
    this.#tellPresence(subscription, undefined, settings.presence);
    return subscription;
  }

  /** See `ServerConnection.unsubscribe`. */
  unsubscribe(subscriber: Subscriber, topic: string): boolean {
    // Messages published before are still sent.
    this.#fanOut.flushTo(subscriber, topic);
    const subscription = subscriber.byTopic.get(topic);
    if (subscription === undefined) return false;
    this.#update(subscription, () => subscription.dropAll());
    // It is not known yet what it missed while it was away, and it will not get that any more.
    if (subscription.resumeFrom !== undefined) this.#lose(subscription);
    this.#remove(subscription);
    return true;
  }

  /** Continues the subscriptions of a client whose resume request has come. */
  resume(subscriber: Subscriber): void {
    for (const subscription of [...subscriber.resuming]) {
      subscriber.deleteResuming(subscription);
      this.#join(this.#store!, subscription);
    }
  }

  /** Changes the waiting messages of a subscription, and tells the client if some are dropped. */
  #update(subscription: TopicSubscription, change: () => void): void {
    const { dropped, subscriber } = subscription;
    change();
    if (subscription.firstSequence === Infinity) subscriber.deleteWaiting(subscription);
    if (subscription.dropped > dropped) this.#lose(subscription);
  }

  /** Tells a client that resumes that it does not get all messages of a topic. */
  #lose(subscription: TopicSubscription): void {
    const { topic, subscriber } = subscription;
    const number = this.#numberOf(subscription);
    if (number !== undefined) subscriber.sendControl({ topic, number, isLost: true });
  }

  /** The number by which a client that resumes knows a topic, once it was told that. */
  #numberOf({ subscriber, topic }: TopicSubscription): number | undefined {
    if (!subscriber.hasRequest || !this.#store?.isRetained(topic)) return undefined;
    return this.#store.numberOf(topic);
  }

  /** Begins a subscription of a client that resumes, whose positions are known, to a retained topic. */
  #join(store: MessageStore, subscription: TopicSubscription): void {
    const { topic, subscriber } = subscription;
    subscription.resumeFrom ??= subscriber.takePosition(topic);
    if (subscription.resumeFrom !== undefined) subscriber.addResuming(subscription);
    store.join(subscription);
  }

  #remove(subscription: TopicSubscription): void {
    const { topic, subscriber, presence } = subscription;
    const isLast = this.#fanOut.remove(subscription);
    const number = this.#numberOf(subscription);
    if (number !== undefined) {
      this.#store!.part(subscription);
      subscriber.sendControl({ unsubscribed: number });
    }
    if (isLast) (this.#broker ?? this.#store)?.deleteTopic(topic);
    this.#tellPresence(subscription, presence, undefined);
  }

  #tellPresence(
    { topic, subscriber }: TopicSubscription,
    before: PresenceClaim | undefined,
    after: PresenceClaim | undefined,
  ): void {
    if (before === undefined && after === undefined) return;
    const change = memberSize(after) - memberSize(before);
    subscriber.fanOut.tally.count(change);
    subscriber.heldSize += change;
    this.#presence.change(topic, subscriber, before, after);
  }
}
