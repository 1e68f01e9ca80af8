import type { TopicSubscription } from "./topic_subscription.ts";

/** Subscriptions in the order of their first messages: a heap, since a subscriber may be behind with thousands. */
export class WaitingOrder {
  readonly #heap: TopicSubscription[];

  constructor(subscriptions: Iterable<TopicSubscription>) {
    this.#heap = [...subscriptions];
    for (let index = this.#heap.length >> 1; index-- > 0;) this.#sink(index);
  }

  /** The subscription whose message has waited longest; `undefined` if there is none. */
  get first(): TopicSubscription | undefined {
    return this.#heap[0];
  }

  /** Restores the order after the first message of the first subscription was taken. */
  update(): void {
    this.#sink(0);
  }

  shift(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const subscription = heap[start]!;
    const sequence = subscription.firstSequence;
    let index = start;
    for (let child = 2 * index + 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.firstSequence < heap[child]!.firstSequence) {
        child++;
      }
      if (heap[child]!.firstSequence >= sequence) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = subscription;
  }
}
