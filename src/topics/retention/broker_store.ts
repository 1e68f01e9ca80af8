import type { Clock } from "../../transport/clock.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeepingBroker, KeptMessage, KeptMessagesHandler } from "../cluster/broker.ts";
import { decodeBrokerMessage, encodeBrokerMessage } from "../cluster/broker_message.ts";
import { BrokerSubscriptions } from "../cluster/broker_subscriptions.ts";
import { BrokerTopic, type BrokerTopicOwner } from "../cluster/broker_topic.ts";
import { FairTurns } from "../fan_out/fair_turns.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import type { Publication } from "../fan_out/publication.ts";
import { PublishedMessage } from "../fan_out/published_message.ts";
import type { ResumeSettings } from "./memory_store.ts";
import type { MessageStore } from "./message_store.ts";
import { RetainedMessages, TopicLog } from "./retained_messages.ts";
import { RetainedOutbox } from "./retained_outbox.ts";
import { ReplayAllowance } from "./replay_allowance.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";

/** How long to wait after the broker failed, in milliseconds. */
const RETRY_MS = 1_000;

/** The most topics of which the broker is asked at a time for what was missed. */
const MAX_REPLAYS = 8;

/** What a store with a broker needs of the server's part in the broker. */
export interface BrokerStoreOwner {
  /** The id of this server. */
  readonly id: Uint8Array;
  /** Something failed, and is tried again. */
  receiveError(error: unknown): void;
  /** A message is lost. */
  countDrop(error: unknown): void;
  /** The broker has all that was published. */
  endDrops(): void;
  /** A message came that is not from a server of this library. */
  countMalformed(topic: string, reason: string): void;
}

/**
 * Retains messages with a broker. What is published goes there, and comes back from there, in one order for
 * all servers.
 */
export class BrokerStore implements MessageStore, KeptMessagesHandler, BrokerTopicOwner {
  readonly broker: KeepingBroker;
  readonly clock: Clock;
  readonly fanOut: FanOut;
  readonly messages: RetainedMessages;
  readonly isRetained: (topic: string) => boolean;
  readonly allowance: ReplayAllowance;
  readonly replays: FairTurns = new FairTurns(MAX_REPLAYS);
  readonly #owner: BrokerStoreOwner;
  readonly #outbox: RetainedOutbox;
  readonly #subscriptions: BrokerSubscriptions;
  readonly #byTopic: Map<string, BrokerTopic> = new Map();
  /** The topics that could not be read. */
  readonly #failed: Set<BrokerTopic> = new Set();
  #retryTimer: unknown;
  #isConnected = false;
  #topicCount = 0;

  constructor(
    broker: KeepingBroker,
    settings: ResumeSettings,
    queueSize: number,
    fanOut: FanOut,
    clock: Clock,
    owner: BrokerStoreOwner,
  ) {
    this.broker = broker;
    this.fanOut = fanOut;
    this.isRetained = settings.topics;
    this.clock = clock;
    this.#owner = owner;
    this.allowance = new ReplayAllowance(
      settings.replaySizePerMinute,
      clock,
      settings.windowSize,
    );
    this.messages = new RetainedMessages(settings, clock, () => {});
    this.#outbox = new RetainedOutbox(
      broker,
      queueSize,
      clock,
      (topic) => this.#byTopic.get(topic)?.isBeginning(clock.now()) ?? false,
      (error) => owner.countDrop(error),
      () => owner.endDrops(),
    );
    this.#subscriptions = new BrokerSubscriptions(
      {
        subscribe: (names) => broker.subscribe(names, true),
        unsubscribe: (names) => broker.unsubscribe(names, true),
      },
      clock,
      (error) => owner.receiveError(error),
      (names) => this.#connectTopics(names),
    );
    const { windowMs, windowSize, totalSize } = settings;
    broker.keep({ windowMs, windowSize, totalSize }, this);
  }

  get size(): number {
    return this.messages.size;
  }

  /** Publishes a message: it comes back from the broker. */
  publish({ topic, data, compress, key, except }: Publication): void {
    const message = { data, compress, key, except: except?.openSession() };
    this.#outbox.publish(topic, encodeBrokerMessage(this.#owner.id, message));
  }

  /** The bytes that wait for the broker. */
  get waitingSize(): number {
    return this.#outbox.size;
  }

  /** Resolves when the broker has everything. */
  whenEmpty(): Promise<void> {
    return this.#outbox.whenEmpty();
  }

  /** Begins to ask the broker. */
  connect(): void {
    this.#isConnected = true;
    for (const topic of this.#byTopic.values()) topic.begin(this.clock.now());
    this.#subscriptions.connect();
    this.#connectTopics(this.#subscriptions.subscribed);
    this.#outbox.connect();
  }

  /** Stops to ask the broker. */
  disconnect(): void {
    this.#isConnected = false;
    this.#subscriptions.disconnect();
    this.#outbox.disconnect();
    this.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#failed.clear();
    for (const topic of this.#byTopic.values()) topic.disconnect();
  }

  close(): void {
    this.#byTopic.clear();
    this.messages.clear();
  }

  // ---- What topics tell ----

  addTopic(topic: string): void {
    const log = this.messages.open(new TopicLog(topic, ++this.#topicCount, 0));
    log.isInUse = true;
    const own = new BrokerTopic(log, this);
    own.begin(this.clock.now());
    this.#byTopic.set(topic, own);
    this.#subscriptions.add(topic);
  }

  deleteTopic(topic: string): void {
    const own = this.#byTopic.get(topic);
    if (own === undefined) return;
    this.#byTopic.delete(topic);
    this.#failed.delete(own);
    own.disconnect();
    this.messages.delete(own.log);
    this.#subscriptions.delete(topic);
  }

  join(subscriber: Subscriber, subscription: TopicSubscription): void {
    if (subscriber.isResumable) {
      this.#byTopic.get(subscription.topic)?.join(subscriber, subscription);
    }
  }

  lose(subscriber: Subscriber, topic: string): void {
    const own = this.#byTopic.get(topic);
    if (subscriber.isResumable && own !== undefined) {
      subscriber.sendControl({ topic, number: own.log.number, isLost: true });
    }
  }

  part(subscriber: Subscriber, topic: string): void {
    const own = this.#byTopic.get(topic);
    if (!subscriber.isResumable || own === undefined) return;
    own.part(subscriber);
    subscriber.sendControl({ unsubscribed: own.log.number });
  }

  // ---- What the broker tells ----

  receiveKept(topic: string, message: KeptMessage): void {
    this.#byTopic.get(topic)?.receive(message);
  }

  receiveProgress(position: Position): void {
    let areUpToDate = true;
    for (const topic of this.#byTopic.values()) {
      if (topic.isUpToDate) topic.advance(position);
      else areUpToDate = false;
    }
    if (areUpToDate) this.fanOut.tellUpToDate({ progress: formatPosition(position) });
  }

  // ---- For topics ----

  decode(log: TopicLog, { position, message: bytes }: KeptMessage): PublishedMessage | undefined {
    const message = decodeBrokerMessage(undefined, bytes);
    if (message === undefined) return undefined;
    if ("reason" in message) {
      this.#owner.countMalformed(log.topic, message.reason);
      return undefined;
    }
    return new PublishedMessage(message, { topic: log.number, position });
  }

  continuePublishing(): void {
    this.#outbox.continue();
  }

  receiveError(error: unknown): void {
    this.#owner.receiveError(error);
  }

  failRead(topic: BrokerTopic, error: unknown): void {
    this.#owner.receiveError(error);
    this.#failed.add(topic);
    this.#retryTimer ??= this.clock.setTimeout(() => {
      this.#retryTimer = undefined;
      const failed = [...this.#failed];
      this.#failed.clear();
      for (const topic of failed) topic.work();
    }, RETRY_MS);
  }

  #connectTopics(names: readonly string[]): void {
    if (!this.#isConnected) return;
    for (const name of names) this.#byTopic.get(name)?.connect();
  }
}
