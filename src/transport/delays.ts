import type { Clock } from "./clock.ts";

/** An object with a timeout. */
export interface Waiting {
  /** The time of the clock at which it expires. Set by {@linkcode Delays.start}. */
  dueAt: number;
  /** Called when the timeout expires. */
  expire(): void;
}

/**
 * Timeouts of many objects, with one timer for each length of time: timers are expensive, and each of
 * thousands of connections always has a timeout.
 */
export class Delays {
  readonly #clock: Clock;
  /** The waiting objects by the length of their timeout, in milliseconds. */
  readonly #queues: Map<number, DelayQueue> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The clock's time. */
  now(): number {
    return this.#clock.now();
  }

  /**
   * Calls `waiting.expire()` once, `delayMs` milliseconds from now.
   *
   * @returns The queue that `waiting` is in; its `delete` cancels the timeout.
   */
  start(waiting: Waiting, delayMs: number): DelayQueue {
    let queue = this.#queues.get(delayMs);
    if (queue === undefined) {
      queue = new DelayQueue(this.#clock, delayMs);
      this.#queues.set(delayMs, queue);
    }
    queue.add(waiting);
    return queue;
  }
}

/** Objects with timeouts of the same length. */
export class DelayQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  /** In the order of insertion, and therefore of expiry. */
  readonly #waiting: Set<Waiting> = new Set();
  #timer: unknown;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Adds an object whose timeout begins now. */
  add(waiting: Waiting): void {
    waiting.dueAt = this.#clock.now() + this.#delayMs;
    this.#waiting.add(waiting);
    if (this.#waiting.size === 1) this.#startTimer(this.#delayMs);
  }

  /** Cancels the timeout of an object, if it has one. */
  delete(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size === 0) this.#clock.clearTimeout(this.#timer);
  }

  #startTimer(delayMs: number): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#expire(), delayMs);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const waiting of this.#waiting) {
      const left = waiting.dueAt - now;
      // Timers may fire a fraction of a millisecond early.
      if (left >= 1) {
        this.#startTimer(left);
        return;
      }
      this.#waiting.delete(waiting);
      waiting.expire();
    }
  }
}
