/**
 * A clock that tests move by hand.
 *
 * @module
 */

import type { Clock } from "../../src/connection/clock.ts";
import { settle } from "./turn.ts";

interface Timer {
  callback: () => void;
  dueAt: number;
}

/** What every runtime's timers can wait; a longer wait would end at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  // Not 0, for which "no time" could be mistaken.
  #now = 1_000_000;
  readonly #timers = new Map<number, Timer>();
  #lastId = 0;

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    if (!(delayMs >= 0 && delayMs <= MAX_DELAY_MS)) {
      throw new RangeError(`A real timer would fire at once after ${delayMs} ms`);
    }
    const id = ++this.#lastId;
    this.#timers.set(id, { callback, dueAt: this.#now + delayMs });
    return id;
  }

  clearTimeout(id: unknown): void {
    if (id === undefined) return;
    if (typeof id !== "number" || id < 1 || id > this.#lastId) {
      throw new TypeError(`This clock never gave the timer ${String(id)}`);
    }
    this.#timers.delete(id);
  }

  /** How long each pending timer has to go, in milliseconds, the next one first. */
  get pending(): number[] {
    return [...this.#timers.values()].map(({ dueAt }) => dueAt - this.#now).sort((a, b) => a - b);
  }

  /** Lets time pass: timers fire when they are due, and what follows from each happens in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.dueAt);
      this.#fire(next);
      await settle();
    }
    this.#now = end;
  }

  /** The process hangs: time passes, and the timers that are due fire late, all in one turn. */
  async stall(ms: number): Promise<void> {
    this.#now += ms;
    for (let next = this.#next(this.#now); next !== undefined; next = this.#next(this.#now)) {
      this.#fire(next);
    }
    await settle();
  }

  #fire(timer: Timer): void {
    for (const [id, other] of this.#timers) if (other === timer) this.#timers.delete(id);
    timer.callback();
  }

  /** The timer that is due first, if it is by `end`. */
  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.dueAt <= end && (first === undefined || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  }
}
