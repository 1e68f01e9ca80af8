import { LinkedList, Place } from "../linked_list.ts";
import type { Clock } from "./clock.ts";

export interface Waiting {
  /** Called when the timeout expires. */
  expire(): void;
}

/** Timeouts of many objects, with one timer for each length of time: each of thousands of connections has one. */
export class Delays {
  readonly #clock: Clock;
  readonly #queues: Map<number, DelayQueue> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Calls `waiting.expire()` once, `delayMs` milliseconds from now. */
  start(waiting: Waiting, delayMs: number): Delay {
    let queue = this.#queues.get(delayMs);
    if (queue === undefined) {
      queue = new DelayQueue(this.#clock, delayMs);
      this.#queues.set(delayMs, queue);
    }
    return queue.add(waiting);
  }
}

export class Delay extends Place<Waiting> {
  readonly dueAt: number;
  readonly #queue: DelayQueue;

  constructor(waiting: Waiting, dueAt: number, queue: DelayQueue) {
    super(waiting);
    this.dueAt = dueAt;
    this.#queue = queue;
  }

  /** Cancels the timeout, unless it has expired. */
  cancel(): void {
    this.#queue.delete(this);
  }
}

/** Timeouts of the same length. */
class DelayQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  /** In the order of insertion, and therefore of expiry. */
  readonly #delays: LinkedList<Waiting> = new LinkedList();
  #timer: unknown;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  add(waiting: Waiting): Delay {
    const delay = new Delay(waiting, this.#clock.now() + this.#delayMs, this);
    this.#delays.append(delay);
    if (this.#delays.size === 1) this.#startTimer(this.#delayMs);
    return delay;
  }

  delete(delay: Delay): void {
    if (this.#delays.delete(delay) && this.#delays.size === 0) {
      this.#clock.clearTimeout(this.#timer);
    }
  }

  #startTimer(delayMs: number): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#expire(), delayMs);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (let first = this.#first; first !== undefined; first = this.#first) {
      const leftMs = first.dueAt - now;
      // Timers may fire a fraction of a millisecond early.
      if (leftMs >= 1) {
        this.#startTimer(leftMs);
        return;
      }
      this.#delays.delete(first);
      first.value.expire();
    }
  }

  get #first(): Delay | undefined {
    return this.#delays.first as Delay | undefined;
  }
}
