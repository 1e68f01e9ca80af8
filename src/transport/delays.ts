import type { Clock } from "./clock.ts";

/** Somebody who waits for a time. */
export interface Waiting {
  /** When the time is over, as the clock counts. Set by {@linkcode Delays.start}. */
  dueAt: number;
  /** The time is over. */
  expire(): void;
}

/**
 * Waits for many at once, with one timer for each length of time: timers are heavy, and each of
 * thousands of connections always waits for something.
 */
export class Delays {
  readonly #clock: Clock;
  /** Who waits, by how long; a set keeps its order, which is then the order of the due times. */
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
   * @returns What `waiting` waits in: `delete` ends its waiting.
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

/** Those who wait for the same length of time. */
export class DelayQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #waiting: Set<Waiting> = new Set();
  #timer: unknown;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Adds somebody who waits from now on. */
  add(waiting: Waiting): void {
    waiting.dueAt = this.#clock.now() + this.#delayMs;
    this.#waiting.add(waiting);
    if (this.#waiting.size === 1) this.#startTimer(this.#delayMs);
  }

  /** Ends the waiting of somebody; changes nothing where he does not wait. */
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
      // Timers may be early by a part of a millisecond.
      if (left >= 1) {
        this.#startTimer(left);
        return;
      }
      this.#waiting.delete(waiting);
      waiting.expire();
    }
  }
}
