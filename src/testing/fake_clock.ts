import { MAX_DURATION_MS } from "../timers.ts";
import type { Clock } from "../transport/clock.ts";
import { runTurns } from "./turn.ts";

interface Timer {
  callback: () => void;
  dueAt: number;
}

/**
 * A clock that stands still until a test advances it: keep-alive, deadlines and delays of an hour are tested
 * in a moment, and no timer fires early.
 *
 * @example A client that was silent for a minute
 * ```ts
 * import { connectedPair, FakeClock } from "@sluice/websocket/testing";
 *
 * const clock = new FakeClock();
 * const { server, link } = await connectedPair({ clock });
 * link.stall(); // nothing arrives any more, without an error
 * await clock.advance(60_000);
 * const { closeCode } = await server.closed;
 * console.log(closeCode); // 1006
 * ```
 */
export class FakeClock implements Clock {
  // Not 0, which could be mistaken for "no time".
  #now = 1_000_000;
  readonly #timers = new Map<number, Timer>();
  #lastId = 0;
  /** Resolves when all calls of `advance` are done; `undefined` if none is in progress. */
  #advanced: Promise<void> | undefined;

  /** The time in milliseconds; only differences are meaningful. */
  now(): number {
    return this.#now;
  }

  /**
   * Calls `callback` once the clock has advanced by `delayMs` milliseconds.
   *
   * @returns The timer, for {@linkcode FakeClock.clearTimeout}.
   * @throws {RangeError} If `delayMs` is not from 0 to 2,147,483,647: a real timer would fire at once.
   */
  setTimeout(callback: () => void, delayMs: number): unknown {
    if (!(delayMs >= 0 && delayMs <= MAX_DURATION_MS)) {
      throw new RangeError(
        `delayMs must be from 0 to ${MAX_DURATION_MS}, got ${delayMs}: a real timer would fire at once`,
      );
    }
    const id = ++this.#lastId;
    this.#timers.set(id, { callback, dueAt: this.#now + delayMs });
    return id;
  }

  /**
   * Cancels a timer; does nothing if it has fired, or is `undefined`.
   *
   * @throws {TypeError} If it is not a timer of this clock.
   */
  clearTimeout(timer: unknown): void {
    if (timer === undefined) return;
    if (typeof timer !== "number" || timer < 1 || timer > this.#lastId) {
      throw new TypeError(`timer must be one of this clock, got ${String(timer)}`);
    }
    this.#timers.delete(timer);
  }

  /** The remaining time of each pending timer in milliseconds, in ascending order. */
  get pending(): number[] {
    return [...this.#timers.values()].map(({ dueAt }) => dueAt - this.#now).sort((a, b) => a - b);
  }

  /**
   * Advances the clock. Timers fire when they are due, and the event loop turns some times after each. Calls
   * are queued: a call waits for the ones before.
   *
   * @param ms How far, in milliseconds; 0 only lets the event loop turn.
   * @throws {RangeError} If `ms` is negative or not finite.
   * @throws {TypeError} If it is not a number.
   */
  advance(ms: number): Promise<void> {
    checkTime(ms);
    const advance = () => this.#advance(ms);
    const advanced = this.#advanced === undefined ? advance() : this.#advanced.then(advance);
    const settled = advanced.catch(() => {}).then(() => {
      if (this.#advanced === settled) this.#advanced = undefined;
    });
    this.#advanced = settled;
    return advanced;
  }

  async #advance(ms: number): Promise<void> {
    await runTurns();
    // Relative, since `stall` may move the clock meanwhile.
    let leftMs = ms;
    for (let next; (next = this.#next(this.#now + leftMs)) !== undefined;) {
      const stepMs = Math.max(0, next.dueAt - this.#now);
      this.#now += stepMs;
      leftMs -= stepMs;
      this.#fire(next);
      await runTurns();
    }
    this.#now += leftMs;
  }

  /**
   * Advances the clock as if the process had hung: before this returns, all timers that are due have fired,
   * late and in one turn.
   *
   * @param ms How far, in milliseconds.
   * @returns A promise that resolves after some turns of the event loop.
   * @throws {RangeError} If `ms` is negative or not finite.
   * @throws {TypeError} If it is not a number.
   */
  stall(ms: number): Promise<void> {
    checkTime(ms);
    this.#now += ms;
    for (let next; (next = this.#next(this.#now)) !== undefined;) this.#fire(next);
    return runTurns();
  }

  #fire(timer: Timer): void {
    for (const [id, other] of this.#timers) if (other === timer) this.#timers.delete(id);
    timer.callback();
  }

  /** The earliest timer that is due by `end`. */
  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.dueAt <= end && (first === undefined || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  }
}

function checkTime(ms: unknown): void {
  if (typeof ms !== "number") {
    throw new TypeError(`ms must be a number of milliseconds, got ${String(ms)}`);
  }
  if (!(ms >= 0 && ms < Infinity)) {
    throw new RangeError(`ms must be finite and not negative, got ${ms}`);
  }
}
