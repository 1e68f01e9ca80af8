import type { Clock } from "../transport/clock.ts";

/** Aborts a connect attempt after a timeout, or when the program's signal aborts. */
export class Deadline {
  readonly #controller: AbortController = new AbortController();
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(this.#signal!.reason);
  readonly #timer: unknown;

  /**
   * Starts the timeout.
   *
   * @param timeoutMs The timeout, in milliseconds, or `Infinity`.
   * @param createError Creates the error for the timeout.
   * @param signal The program's signal.
   */
  constructor(
    clock: Clock,
    timeoutMs: number,
    createError: () => Error,
    signal: AbortSignal | undefined,
  ) {
    this.#clock = clock;
    this.#signal = signal;
    if (timeoutMs !== Infinity) {
      this.#timer = clock.setTimeout(() => this.#controller.abort(createError()), timeoutMs);
    }
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborts when the attempt must end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops the timeout, and stops listening to the program's signal. */
  clear(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
