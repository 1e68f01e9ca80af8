/**
 * An answer that many wait for. Who asks gets one that was asked for later, or at that moment: while one is
 * on its way, all others wait for the next.
 */
export class SharedAnswer<T> {
  readonly #ask: () => Promise<T>;
  #current: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** Gives an answer. */
  get(): Promise<T> {
    if (this.#current === undefined) return this.#begin();
    return this.#next ??= this.#current.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#begin();
    });
  }

  #begin(): Promise<T> {
    const answer = this.#ask().finally(() => {
      if (this.#current === answer) this.#current = undefined;
    });
    this.#current = answer;
    return answer;
  }
}
