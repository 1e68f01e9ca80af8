import type { Clock } from "../../transport/clock.ts";
import type { Sendable } from "../../connection/connection.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeepingBroker, KeptMessage, KeptMessagesHandler } from "../cluster/broker.ts";
import {
  type BrokerMessage,
  decodeBrokerMessage,
  encodeBrokerMessage,
} from "../cluster/broker_message.ts";
import { BrokerSubscriptions } from "../cluster/broker_subscriptions.ts";
import { BrokerTopic, type BrokerTopicOwner } from "../cluster/broker_topic.ts";
import { FairTurns } from "../fan_out/fair_turns.ts";
import { KeptMessages, TopicLog } from "./retained_messages.ts";
import { KeptOutbox } from "./retained_outbox.ts";
import type { ResumeSettings } from "./memory_store.ts";
import { PublishedMessage } from "../fan_out/published_message.ts";
import { ReplayAllowance } from "./replay_allowance.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import type { TopicKeeper, Topics, TopicsWatcher } from "../fan_out/topics.ts";

/** How long to wait after the broker failed, in milliseconds. */
const RETRY_MS = 1_000;

/** The most topics of which the broker is asked at a time for what was missed. */
const MAX_REPLAYS = 8;

/** What the keeper tells. */
export interface BrokerKeeperOwner {
  /** The id of this server. */
  readonly id: Uint8Array;
  /** Something failed, and is tried again. */
  receiveError(error: unknown): void;
  /** A message is lost. */
  countDrop(error: unknown): void;
  /** All that was published is with the broker. */
  endDrops(): void;
  /** A message came that is none of this library. */
  countMalformed(topic: string, reason: string): void;
}

/**
 * Keeps messages with a broker. What is published goes there, and comes back from there, in one order for
 * all servers.
 */
export class BrokerKeeper
  implements TopicKeeper, TopicsWatcher, KeptMessagesHandler, BrokerTopicOwner {
  readonly broker: KeepingBroker;
  readonly clock: Clock;
  readonly topics: Topics;
  readonly messages: KeptMessages;
  readonly allowance: ReplayAllowance;
  readonly replays: FairTurns = new FairTurns(MAX_REPLAYS);
  readonly #isKept: (topic: string) => boolean;
  readonly #owner: BrokerKeeperOwner;
  readonly #outbox: KeptOutbox;
  readonly #subscriptions: BrokerSubscriptions;
  readonly #byTopic: Map<string, BrokerTopic> = new Map();
  /** Those of which reading failed. */
  readonly #failed: Set<BrokerTopic> = new Set();
  #retryTimer: unknown;
  #isConnected = false;
  #topicCount = 0;

  constructor(
    broker: KeepingBroker,
    settings: ResumeSettings,
    queueSize: number,
    topics: Topics,
    clock: Clock,
    owner: BrokerKeeperOwner,
  ) {
    this.broker = broker;
    this.topics = topics;
    this.#isKept = settings.topics;
    this.clock = clock;
    this.#owner = owner;
    this.allowance = new ReplayAllowance(
      settings.replaySizePerMinute,
      clock,
      settings.windowSize,
    );
    this.messages = new KeptMessages(settings, clock, () => {});
    this.#outbox = new KeptOutbox(
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

  get keptSize(): number {
    return this.messages.size;
  }

  isKept(topic: string): boolean {
    return this.#isKept(topic);
  }

  /** Publishes a message: it comes back from the broker. */
  publish(
    topic: string,
    data: Sendable,
    compress: boolean | undefined,
    key: string,
    except: Subscriber | undefined,
  ): void {
    const message: BrokerMessage = { data, compress, key, except: except?.openSession() };
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

  /** Forgets all messages. */
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
      subscriber.sendNote({ topic, number: own.log.number, isLost: true });
    }
  }

  part(subscriber: Subscriber, topic: string): void {
    const own = this.#byTopic.get(topic);
    if (!subscriber.isResumable || own === undefined) return;
    own.part(subscriber);
    subscriber.sendNote({ unsubscribed: own.log.number });
  }

  // ---- What the broker tells ----

  receiveKept(topic: string, message: KeptMessage): void {
    this.#byTopic.get(topic)?.receive(message);
  }

  receiveProgress(position: Position): void {
    let isSettled = true;
    for (const topic of this.#byTopic.values()) {
      if (topic.isSettled) topic.advance(position);
      else isSettled = false;
    }
    if (isSettled) this.topics.tellUpToDate({ progress: formatPosition(position) });
  }

  // ---- For topics ----

  decode(log: TopicLog, { position, message: bytes }: KeptMessage): PublishedMessage | undefined {
    const message = decodeBrokerMessage(undefined, bytes);
    if (message === undefined) return undefined;
    if ("reason" in message) {
      this.#owner.countMalformed(log.topic, message.reason);
      return undefined;
    }
    const { data, compress, key, except } = message;
    const place = { topic: log.number, position };
    return new PublishedMessage(data, compress, key, except, undefined, place);
  }

  receivePlace(): void {
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
