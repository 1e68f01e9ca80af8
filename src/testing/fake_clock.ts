import type { Clock } from "../transport/clock.ts";
import { settle } from "./turn.ts";

interface Timer {
  callback: () => void;
  dueAt: number;
}

/** What every runtime's timers can wait; a longer wait would end at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * A clock that stands still until it is moved: keep-alive, deadlines and delays of an hour are tested
 * in a moment, and nothing happens before its time.
 *
 * @example A client that was silent for a minute
 * ```ts
 * import { connectedPair, FakeClock } from "@sluice/websocket/testing";
 *
 * const clock = new FakeClock();
 * const { server, link } = await connectedPair({ clock });
 * link.stall(); // nothing arrives any more, and nobody is told
 * await clock.advance(60_000);
 * const { closeCode } = await server.closed;
 * console.log(closeCode); // 1006
 * ```
 */
export class FakeClock implements Clock {
  // Not 0, for which "no time" could be mistaken.
  #now = 1_000_000;
  readonly #timers = new Map<number, Timer>();
  #lastId = 0;
  /** Resolves when the clock has been advanced as far as was asked for; undefined while it stands still. */
  #advanced: Promise<void> | undefined;

  /** The time, in milliseconds: it has no meaning but for its differences. */
  now(): number {
    return this.#now;
  }

  /**
   * Calls `callback` once the clock has been moved by `delayMs` milliseconds.
   *
   * @returns What {@linkcode FakeClock.clearTimeout} takes.
   * @throws {RangeError} Where `delayMs` is not from 0 to 2,147,483,647: a real timer would fire at once.
   */
  setTimeout(callback: () => void, delayMs: number): unknown {
    if (!(delayMs >= 0 && delayMs <= MAX_DELAY_MS)) {
      throw new RangeError(`A real timer would fire at once after ${delayMs} ms`);
    }
    const id = ++this.#lastId;
    this.#timers.set(id, { callback, dueAt: this.#now + delayMs });
    return id;
  }

  /**
   * Cancels a timer; does nothing where it has fired, or where there is none.
   *
   * @throws {TypeError} Where it is none of this clock.
   */
  clearTimeout(timer: unknown): void {
    if (timer === undefined) return;
    if (typeof timer !== "number" || timer < 1 || timer > this.#lastId) {
      throw new TypeError(`This clock never gave the timer ${String(timer)}`);
    }
    this.#timers.delete(timer);
  }

  /** How long each pending timer has to go, in milliseconds, the next one first. */
  get pending(): number[] {
    return [...this.#timers.values()].map(({ dueAt }) => dueAt - this.#now).sort((a, b) => a - b);
  }

  /**
   * Lets time pass: timers fire when they are due, and what follows from each happens in between. Where the
   * clock is being advanced already, that comes first.
   *
   * @param ms How long, in milliseconds; 0 only lets happen what is about to.
   * @throws {RangeError} Where `ms` is below 0, or not finite.
   * @throws {TypeError} Where it is no number.
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
    await settle();
    // Relative, since the clock may stall meanwhile.
    let leftMs = ms;
    for (;;) {
      const next = this.#next(this.#now + leftMs);
      if (next === undefined) break;
      const stepMs = Math.max(0, next.dueAt - this.#now);
      this.#now += stepMs;
      leftMs -= stepMs;
      this.#fire(next);
      await settle();
    }
    this.#now += leftMs;
  }

  /**
   * Lets time pass as where the process hangs: it has passed when this returns, and the timers that are due
   * have fired, late and all in one turn.
   *
   * @param ms How long, in milliseconds.
   * @returns When what follows from that has happened.
   * @throws {RangeError} Where `ms` is below 0, or not finite.
   * @throws {TypeError} Where it is no number.
   */
  stall(ms: number): Promise<void> {
    checkTime(ms);
    this.#now += ms;
    for (let next = this.#next(this.#now); next !== undefined; next = this.#next(this.#now)) {
      this.#fire(next);
    }
    return settle();
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

function checkTime(ms: unknown): void {
  if (typeof ms !== "number") {
    throw new TypeError(`Cannot move the clock by ${String(ms)}: it is a number of milliseconds`);
  }
  if (!(ms >= 0 && ms < Infinity)) {
    throw new RangeError(`Cannot move the clock by ${ms} ms: it goes on, by a finite time`);
  }
}
