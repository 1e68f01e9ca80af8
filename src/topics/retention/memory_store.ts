import "../../connection/common.ts";
import type { Clock } from "../../transport/clock.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeepWindow } from "../cluster/broker.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import type { Publication } from "../fan_out/publication.ts";
import { PublishedMessage } from "../fan_out/published_message.ts";
import type { MessageStore } from "./message_store.ts";
import { RetainedMessages, type TopicLog } from "./retained_messages.ts";
import { controlOf, ReplayAllowance } from "./replay_allowance.ts";
import { checkTopicLength } from "../../resume/subprotocol.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";

export interface ResumeSettings extends KeepWindow {
  readonly topics: (topic: string) => boolean;
  /** The most bytes of missed messages that all clients of one address get in a minute. */
  readonly replaySizePerMinute: number;
}

/** Retains messages in the memory of the server that they are published on. */
export class MemoryStore implements MessageStore {
  readonly #fanOut: FanOut;
  readonly isRetained: (topic: string) => boolean;
  readonly #epoch: string = crypto.randomUUID().slice(0, 8);
  readonly #messages: RetainedMessages;
  readonly #allowance: ReplayAllowance;
  /** Counts the messages of all topics, so that the numbers of a topic go on after it was forgotten. */
  #messageCount = 0;
  /** The number of the last message of all forgotten topics. */
  #forgotten = 0;
  #isClosed = false;

  constructor(settings: ResumeSettings, fanOut: FanOut, clock: Clock) {
    this.#fanOut = fanOut;
    this.isRetained = settings.topics;
    this.#allowance = new ReplayAllowance(settings.replaySizePerMinute, clock);
    this.#messages = new RetainedMessages(settings, clock, ({ last }) => {
      this.#forgotten = Math.max(this.#forgotten, last);
    });
  }

  get size(): number {
    return this.#messages.size;
  }

  /** @throws {RangeError} If the topic is too long. */
  publish({ topic, data, compress, key, except }: Publication): void {
    checkTopicLength(topic, "resume");
    if (this.#isClosed) return;
    const log = this.#open(topic);
    const position = { epoch: this.#epoch, number: ++this.#messageCount };
    // Later connections of the client have the same session.
    const content = { data, compress, key, except: except?.openSession() };
    const message = new PublishedMessage(content, { topic: log.number, position });
    this.#messages.add(log, message, position.number);
    this.#fanOut.publishMessage(topic, message);
  }

  numberOf(topic: string): number | undefined {
    return this.#messages.get(topic)?.number;
  }

  join(subscription: TopicSubscription): void {
    const { topic, subscriber, resumeFrom } = subscription;
    const log = this.#open(topic);
    const { number } = log;
    if (resumeFrom === undefined) {
      const position = formatPosition({ epoch: this.#epoch, number: this.#messageCount });
      subscriber.sendControl({ topic, number, position });
      return;
    }
    const isKnown = resumeFrom.epoch === this.#epoch && resumeFrom.number <= this.#messageCount;
    const isLost = !isKnown || resumeFrom.number < log.lost;
    const from: Position = isLost ? { epoch: this.#epoch, number: log.lost } : resumeFrom;
    const all = { from, isLost, missed: log.since(from.number) };
    const replay = this.#allowance.take(subscriber, all);
    this.#fanOut.replay(subscription, controlOf(log, replay), replay.missed);
  }

  part(): void {}

  addTopic(topic: string): void {
    if (!this.isRetained(topic)) return;
    checkTopicLength(topic, "resume");
    this.#open(topic).isInUse = true;
  }

  deleteTopic(topic: string): void {
    const log = this.#messages.get(topic);
    if (log !== undefined) this.#messages.leave(log);
  }

  close(): void {
    this.#isClosed = true;
    this.#messages.clear();
  }

  #open(topic: string): TopicLog {
    return this.#messages.get(topic) ?? this.#messages.open(topic, this.#forgotten);
  }
}
