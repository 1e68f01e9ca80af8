import type { Clock } from "../../transport/clock.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeepingBroker, KeptMessage, KeptMessagesHandler } from "../cluster/broker.ts";
import type { BrokerLink } from "../cluster/broker_link.ts";
import { decodeBrokerMessage, encodeBrokerMessage } from "../cluster/broker_message.ts";
import { BrokerSubscriptions } from "../cluster/broker_subscriptions.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import type { Publication } from "../fan_out/publication.ts";
import { PublishedMessage } from "../fan_out/published_message.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import { BrokerTopic } from "./broker_topic.ts";
import { FairTurns } from "./fair_turns.ts";
import type { MessageStore } from "./message_store.ts";
import { ReplayAllowance } from "./replay_allowance.ts";
import { RetainedMessages, type TopicLog } from "./retained_messages.ts";
import { RetainedOutbox } from "./retained_outbox.ts";
import type { TopicsSettings } from "../topics.ts";

/** How long to wait before a failed read is tried again, in milliseconds. */
const RETRY_MS = 1_000;

/** How many topics are read at a time for clients that missed messages. */
const MAX_REPLAYS = 8;

/** Retains messages with a broker: they come back from there, in one order for all servers. */
export class BrokerStore implements MessageStore, KeptMessagesHandler {
  readonly broker: KeepingBroker;
  readonly clock: Clock;
  readonly fanOut: FanOut;
  /** The messages that came since their topics have been subscribed to. */
  readonly messages: RetainedMessages;
  readonly isRetained: (topic: string) => boolean;
  /** Limits what clients that were away get. */
  readonly allowance: ReplayAllowance;
  /** Gives topics their turns to read what clients missed. */
  readonly replays: FairTurns = new FairTurns(MAX_REPLAYS);
  readonly link: BrokerLink;
  readonly outbox: RetainedOutbox;
  readonly #subscriptions: BrokerSubscriptions;
  readonly #byTopic: Map<string, BrokerTopic> = new Map();
  readonly #failed: Set<BrokerTopic> = new Set();
  #retryTimer: unknown;

  constructor(link: BrokerLink, settings: TopicsSettings, fanOut: FanOut) {
    const { clock } = settings;
    const { topics, windowMs, windowSize, totalSize, replaySizePerMinute } = settings.resume!;
    const broker = settings.broker as KeepingBroker;
    this.link = link;
    this.broker = broker;
    this.fanOut = fanOut;
    this.isRetained = topics;
    this.clock = clock;
    this.allowance = new ReplayAllowance(replaySizePerMinute, clock, windowSize);
    this.messages = new RetainedMessages(settings.resume!, clock, () => {});
    this.outbox = new RetainedOutbox(this);
    const onSubscribed = (names: readonly string[]) => this.#connectTopics(names);
    this.#subscriptions = new BrokerSubscriptions(link, true, onSubscribed);
    broker.keep({ windowMs, windowSize, totalSize }, this);
  }

  get size(): number {
    return this.messages.size;
  }

  publish({ topic, data, compress, key, except }: Publication): void {
    const message = { data, compress, key, except: except?.openSession() };
    this.outbox.publish(topic, encodeBrokerMessage(this.link.id, message));
  }

  connect(): void {
    for (const topic of this.#byTopic.values()) topic.beganAt = this.clock.now();
    this.#subscriptions.connect();
    this.#connectTopics(this.#subscriptions.subscribed);
    this.outbox.restart();
  }

  disconnect(): void {
    this.#subscriptions.disconnect();
    this.outbox.disconnect();
    this.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#failed.clear();
    for (const topic of this.#byTopic.values()) topic.disconnect();
  }

  close(): void {
    this.#byTopic.clear();
    this.messages.clear();
  }

  addTopic(topic: string): void {
    const log = this.messages.open(topic);
    log.isInUse = true;
    this.#byTopic.set(topic, new BrokerTopic(log, this));
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

  numberOf(topic: string): number | undefined {
    return this.#byTopic.get(topic)?.log.number;
  }

  join(subscription: TopicSubscription): void {
    this.#byTopic.get(subscription.topic)?.join(subscription);
  }

  part(subscription: TopicSubscription): void {
    this.#byTopic.get(subscription.topic)?.part(subscription);
  }

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

  /** Whether messages to a topic must wait for a moment. */
  mustWait(topic: string): boolean {
    return this.#byTopic.get(topic)?.isBeginning ?? false;
  }

  /** Decodes a message; returns `undefined` if it is malformed, and counts it. */
  decode(log: TopicLog, { position, message: bytes }: KeptMessage): PublishedMessage | undefined {
    const message = decodeBrokerMessage(undefined, bytes);
    if (message === undefined) return undefined;
    if ("reason" in message) {
      this.link.malformed.add({ topic: log.topic, reason: message.reason });
      return undefined;
    }
    return new PublishedMessage(message, { topic: log.number, position });
  }

  /** Reports that a topic could not be read, and calls its `work` later. */
  failRead(topic: BrokerTopic, error: unknown): void {
    this.link.receiveError(error);
    this.#failed.add(topic);
    this.#retryTimer ??= this.clock.setTimeout(() => {
      this.#retryTimer = undefined;
      const failed = [...this.#failed];
      this.#failed.clear();
      for (const topic of failed) topic.work();
    }, RETRY_MS);
  }

  #connectTopics(names: readonly string[]): void {
    if (this.link.state !== "connected") return;
    for (const name of names) this.#byTopic.get(name)?.connect();
  }
}
