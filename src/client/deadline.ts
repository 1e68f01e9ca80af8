import type { Clock } from "../transport/clock.ts";

/** Ends an attempt when it takes too long, or when the program's signal aborts. */
export class Deadline {
  readonly #controller: AbortController = new AbortController();
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(this.#signal!.reason);
  readonly #timer: unknown;

  /**
   * Starts the time.
   *
   * @param timeoutMs How long the attempt may take.
   * @param timeout Creates the reason for the end of the time.
   * @param signal The program's.
   */
  constructor(
    clock: Clock,
    timeoutMs: number,
    timeout: () => Error,
    signal: AbortSignal | undefined,
  ) {
    this.#clock = clock;
    this.#signal = signal;
    if (timeoutMs !== Infinity) {
      this.#timer = clock.setTimeout(() => this.#controller.abort(timeout()), timeoutMs);
    }
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborts when the attempt is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Forgets the time and the program's signal: the attempt has ended by itself. */
  clear(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
