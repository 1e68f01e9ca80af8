import type { Subscriber } from "../../connection/subscriber.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";

/** The empty set of most subscribers, one for all: two of their own would cost each memory. */
const NONE: Set<TopicSubscription> = new Set();

/** What a subscriber is subscribed to, and with what of it it is behind. */
export class Subscriptions {
  readonly byTopic: Map<string, TopicSubscription> = new Map();
  readonly #subscriber: Subscriber;
  #lagging: Set<TopicSubscription> = NONE;
  #resuming: Set<TopicSubscription> = NONE;

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
  }

  /** Those with messages that wait for the subscriber. */
  get lagging(): ReadonlySet<TopicSubscription> {
    return this.#lagging;
  }

  /** Those of which it is not known yet what the subscriber missed, or who it is. */
  get resuming(): ReadonlySet<TopicSubscription> {
    return this.#resuming;
  }

  addLagging(subscription: TopicSubscription): void {
    if (this.#lagging === NONE) this.#lagging = new Set();
    this.#lagging.add(subscription);
    this.#subscriber.isBehind = true;
  }

  deleteLagging(subscription: TopicSubscription): void {
    if (this.#lagging.delete(subscription)) this.#update();
  }

  addResuming(subscription: TopicSubscription): void {
    if (this.#resuming === NONE) this.#resuming = new Set();
    this.#resuming.add(subscription);
    this.#subscriber.isBehind = true;
  }

  deleteResuming(subscription: TopicSubscription): void {
    if (this.#resuming.delete(subscription)) this.#update();
  }

  /** Forgets what it is behind with of one. */
  forget(subscription: TopicSubscription): void {
    subscription.clear();
    this.deleteLagging(subscription);
    this.deleteResuming(subscription);
  }

  #update(): void {
    this.#subscriber.isBehind = this.#lagging.size > 0 || this.#resuming.size > 0;
  }
}
