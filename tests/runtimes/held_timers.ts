/**
 * Lets a test decide when a deadline is over, instead of waiting for it.
 *
 * @module
 */

import { systemClock } from "../../src/transport/clock.ts";

/** Holds the timers that are set with one delay; all others run as always. */
export class HeldTimers {
  readonly #before = { ...systemClock };
  readonly #held = new Map<unknown, () => void>();
  #waiting: { count: number; resolve: () => void }[] = [];

  /** Starts to hold the timers that are set with `delayMs`. */
  constructor(delayMs: number) {
    systemClock.setTimeout = (run, ms) => {
      if (ms !== delayMs) return this.#before.setTimeout(run, ms);
      const timer = {};
      this.#held.set(timer, run);
      this.#waiting = this.#waiting.filter(({ count, resolve }) => {
        if (this.#held.size < count) return true;
        resolve();
        return false;
      });
      return timer;
    };
    systemClock.clearTimeout = (timer) => {
      if (!this.#held.delete(timer)) this.#before.clearTimeout(timer);
    };
  }

  /** How many timers are set. */
  get count(): number {
    return this.#held.size;
  }

  /** Waits until `count` timers are set. */
  async untilSet(count: number): Promise<void> {
    if (this.#held.size >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Waits until all timers are cleared. */
  async untilCleared(): Promise<void> {
    while (this.#held.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Lets the time of all timers come. */
  expire(): void {
    const runs = [...this.#held.values()];
    this.#held.clear();
    for (const run of runs) run();
  }

  /** Holds no more timers. */
  restore(): void {
    Object.assign(systemClock, this.#before);
  }
}
