import { type Clock, systemClock } from "../transport/clock.ts";
import { createDeferred, type Deferred } from "../promises.ts";

/** Detects that no message has arrived for a while. */
export class Silence {
  readonly #lengthMs: number;
  readonly #clock: Clock;
  readonly #reached: Deferred<void> = createDeferred();
  #isAwaited = false;
  #isBroken = false;
  #timer: unknown;

  /** @param lengthMs The length of the silence in milliseconds; `Infinity` for never. */
  constructor(lengthMs: number, clock: Clock = systemClock) {
    this.#lengthMs = lengthMs;
    this.#clock = clock;
  }

  /** Starts the timer, and resolves when the silence has lasted long enough. */
  wait(): Promise<void> {
    this.#isAwaited = true;
    this.#restart();
    return this.#reached.promise;
  }

  /** A message arrives: stops the timer until {@linkcode Silence.resume}. */
  break(): void {
    this.#isBroken = true;
    this.#clock.clearTimeout(this.#timer);
  }

  /** The message has been handled: starts the timer again. */
  resume(): void {
    this.#isBroken = false;
    this.#restart();
  }

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
