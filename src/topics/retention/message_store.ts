import type { Publication } from "../fan_out/publication.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";

/** Retains the messages of topics, for clients that resume. */
export interface MessageStore {
  /** The cost of the messages that are retained in memory, in bytes. */
  readonly size: number;
  isRetained(topic: string): boolean;
  publish(publication: Publication): void;
  /** Called before the first subscriber. Throws a `RangeError` if the topic is too long. */
  addTopic(topic: string): void;
  /** Called when a topic has lost its last subscriber. */
  deleteTopic(topic: string): void;
  /** Returns the number by which clients know a topic; `undefined` if nothing is known of the topic. */
  numberOf(topic: string): number | undefined;
  /** Tells a client that resumes its position in a topic, and sends it what it missed. */
  join(subscription: TopicSubscription): void;
  /** Forgets a subscription that has joined its topic. */
  part(subscription: TopicSubscription): void;
  close(): void;
}
