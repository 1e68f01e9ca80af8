import type { Clock } from "../transport/clock.ts";
import { createDeferred } from "../promises.ts";

/** The waits between attempts, which the program may end. */
export class Pause {
  readonly #clock: Clock;
  #stop: (() => void) | undefined;
  #isEnded = false;
  #isDue = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether there may be a wait next: not while a connection is open. */
  set isDue(isDue: boolean) {
    this.#isDue = isDue;
    this.#isEnded = false;
  }

  /** Ends the wait, or leaves out the next one. */
  end(): void {
    if (!this.#isDue) return;
    this.#isEnded = true;
    this.#stop?.();
  }

  /** Waits, unless that was ended before, or `signal` aborts. */
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
