/** Tells a program of the shutdown, by a signal that is there once somebody has asked for it. */
export class ShutdownNotice {
  #abort: AbortController | undefined;
  #reason: unknown;

  /** Aborts when the shutdown begins. */
  get signal(): AbortSignal {
    const abort = this.#abort ??= new AbortController();
    if (this.#reason !== undefined) abort.abort(this.#reason);
    return abort.signal;
  }

  /** The signal, where it has been asked for. */
  get askedFor(): AbortSignal | undefined {
    return this.#abort?.signal;
  }

  /** The shutdown begins. */
  tell(reason: unknown): void {
    this.#reason = reason;
    this.#abort?.abort(reason);
  }
}
