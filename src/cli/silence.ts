import { type Clock, systemClock } from "../transport/clock.ts";
import { createDeferred, type Deferred } from "../promises.ts";

/** Finds out that nothing has arrived for a while. */
export class Silence {
  readonly #lengthMs: number;
  readonly #clock: Clock;
  readonly #reached: Deferred<void> = createDeferred();
  #isAwaited = false;
  #isBroken = false;
  #timer: unknown;

  /** @param lengthMs How long it must last; `Infinity` for never. */
  constructor(lengthMs: number, clock: Clock = systemClock) {
    this.#lengthMs = lengthMs;
    this.#clock = clock;
  }

  /** Begins to measure, and resolves when it has lasted. */
  wait(): Promise<void> {
    this.#isAwaited = true;
    this.#restart();
    return this.#reached.promise;
  }

  /** Something arrives: there is no silence until {@linkcode Silence.resume}. */
  break(): void {
    this.#isBroken = true;
    this.#clock.clearTimeout(this.#timer);
  }

  /** What arrived has been dealt with: the measure begins anew. */
  resume(): void {
    this.#isBroken = false;
    this.#restart();
  }

  /** Stops for good. */
  stop(): void {
    this.#isAwaited = false;
    this.#clock.clearTimeout(this.#timer);
  }

  #restart(): void {
    if (!this.#isAwaited || this.#isBroken || this.#lengthMs === Infinity) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#reached.resolve(), this.#lengthMs);
  }
}
