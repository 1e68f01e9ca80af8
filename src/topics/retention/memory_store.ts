import type { Clock } from "../../transport/clock.ts";
import type { Sendable } from "../../connection/connection.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeepWindow } from "../cluster/broker.ts";
import { KeptMessages, TopicLog } from "./retained_messages.ts";
import { PublishedMessage } from "../fan_out/published_message.ts";
import { noteOf, ReplayAllowance } from "./replay_allowance.ts";
import { checkTopicLength } from "../fan_out/topic_length.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import type { TopicKeeper, Topics, TopicsWatcher } from "../fan_out/topics.ts";

/** What is kept, and of which topics. */
export interface ResumeSettings extends KeepWindow {
  readonly topics: (topic: string) => boolean;
  /** How many bytes of missed messages all clients of one address get in a minute. */
  readonly replaySizePerMinute: number;
}

/** Keeps messages in the memory of the server that they are published on. */
export class MemoryKeeper implements TopicKeeper, TopicsWatcher {
  readonly #topics: Topics;
  readonly #isKept: (topic: string) => boolean;
  readonly #epoch: string = crypto.randomUUID().slice(0, 8);
  readonly #messages: KeptMessages;
  readonly #allowance: ReplayAllowance;
  /** Counts the messages of all topics: numbers go on where a topic was forgotten, and comes again. */
  #messageCount = 0;
  #topicCount = 0;
  /** The number of the latest message of any topic that nothing is known of any more. */
  #forgotten = 0;
  #isClosed = false;

  constructor(settings: ResumeSettings, topics: Topics, clock: Clock) {
    this.#topics = topics;
    this.#isKept = settings.topics;
    this.#allowance = new ReplayAllowance(settings.replaySizePerMinute, clock);
    this.#messages = new KeptMessages(settings, clock, ({ last }) => {
      this.#forgotten = Math.max(this.#forgotten, last);
    });
  }

  get keptSize(): number {
    return this.#messages.size;
  }

  isKept(topic: string): boolean {
    return this.#isKept(topic);
  }

  /**
   * Publishes a message, and keeps it.
   *
   * @throws {RangeError} Where the topic is too long.
   */
  publish(
    topic: string,
    data: Sendable,
    compress: boolean | undefined,
    key: string,
    except: Subscriber | undefined,
  ): void {
    checkTopicLength(topic, "resume");
    if (this.#isClosed) return;
    const log = this.#open(topic);
    const position = { epoch: this.#epoch, number: ++this.#messageCount };
    const place = { topic: log.number, position };
    // The session is that of the connections which come after this one, too.
    const message = new PublishedMessage(
      data,
      compress,
      key,
      except?.openSession(),
      undefined,
      place,
    );
    this.#messages.add(log, message, position.number);
    this.#topics.publishMessage(topic, message);
  }

  join(subscriber: Subscriber, subscription: TopicSubscription): void {
    if (!subscriber.isResumable) return;
    const { topic, resumeFrom } = subscription;
    const log = this.#open(topic);
    const { number } = log;
    if (resumeFrom === undefined) {
      const position = formatPosition({ epoch: this.#epoch, number: this.#messageCount });
      subscriber.sendNote({ topic, number, position });
      return;
    }
    const isKnown = resumeFrom.epoch === this.#epoch && resumeFrom.number <= this.#messageCount;
    const isLost = !isKnown || resumeFrom.number < log.lost;
    const from: Position = isLost ? { epoch: this.#epoch, number: log.lost } : resumeFrom;
    const all = { from, isLost, missed: log.since(from.number) };
    const replay = this.#allowance.take(subscriber, all);
    this.#topics.resume(subscriber, subscription, noteOf(topic, number, replay), replay.missed);
  }

  lose(subscriber: Subscriber, topic: string): void {
    const log = this.#messages.get(topic);
    if (subscriber.isResumable && log !== undefined) {
      subscriber.sendNote({ topic, number: log.number, isLost: true });
    }
  }

  part(subscriber: Subscriber, topic: string): void {
    const log = this.#messages.get(topic);
    if (subscriber.isResumable && log !== undefined) {
      subscriber.sendNote({ unsubscribed: log.number });
    }
  }

  addTopic(topic: string): void {
    if (!this.#isKept(topic)) return;
    checkTopicLength(topic, "resume");
    this.#open(topic).isInUse = true;
  }

  deleteTopic(topic: string): void {
    const log = this.#messages.get(topic);
    if (log !== undefined) this.#messages.leave(log);
  }

  /** Forgets all messages, and keeps no more. */
  close(): void {
    this.#isClosed = true;
    this.#messages.clear();
  }

  #open(topic: string): TopicLog {
    return this.#messages.get(topic) ??
      this.#messages.open(new TopicLog(topic, ++this.#topicCount, this.#forgotten));
  }
}
