import type { Clock } from "../transport/clock.ts";
import { createDeferred } from "../promises.ts";

/** The delays between connect attempts, which the program may cut short. */
export class Pause {
  readonly #clock: Clock;
  #stop: (() => void) | undefined;
  #isEnded = false;
  #isDue = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether `end` has an effect: not while a connection is open. */
  set isDue(isDue: boolean) {
    this.#isDue = isDue;
    this.#isEnded = false;
  }

  /** Ends the delay, or skips the next one. */
  end(): void {
    if (!this.#isDue) return;
    this.#isEnded = true;
    this.#stop?.();
  }

  /** Waits, until `end` is called or `signal` aborts. Does not wait if `end` was called before. */
  async wait(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = createDeferred<void>();
    const stop = this.#stop = () => resolve();
    const timer = this.#clock.setTimeout(stop, delayMs);
    signal?.addEventListener("abort", stop, { once: true });
    if (this.#isEnded || signal?.aborted) stop();
    await promise;
    this.#clock.clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    this.#isEnded = false;
    this.#stop = undefined;
  }
}
