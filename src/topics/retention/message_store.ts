import type { Publication } from "../fan_out/publication.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";

/** Retains the messages of topics, for clients that resume. */
export interface MessageStore {
  /** The cost of the messages that are retained in memory, in bytes. */
  readonly size: number;
  /** Whether the messages of a topic are retained. */
  isRetained(topic: string): boolean;
  /** Publishes a message, and retains it. */
  publish(publication: Publication): void;
  /**
   * Is told of a topic before it gets its first subscriber.
   *
   * @throws {RangeError} If the topic is too long; there is no subscription then.
   */
  addTopic(topic: string): void;
  /** Is told of a topic that has lost its last subscriber. */
  deleteTopic(topic: string): void;
  /** Is told of a subscription to a topic whose messages are retained. */
  join(subscriber: Subscriber, subscription: TopicSubscription): void;
  /** Is told that a subscriber does not get all messages of a topic: its client may ask for them again. */
  lose(subscriber: Subscriber, topic: string): void;
  /** Is told that a subscription has ended. */
  part(subscriber: Subscriber, topic: string): void;
  /** Forgets all messages, and retains no more. */
  close(): void;
}
