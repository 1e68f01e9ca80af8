/**
 * Counts something that may happen very often, and tells of it seldom: the first time, and each time the
 * number has doubled.
 */
export class DoublingTally {
  readonly #tell: (count: number) => void;
  #count = 0;
  #told = 0;

  /** @param tell Is given how many there were since it was called last. */
  constructor(tell: (count: number) => void) {
    this.#tell = tell;
  }

  /** Counts one. */
  add(): void {
    this.#count++;
    if (this.#count >= 2 * this.#told) this.#tellRest();
  }

  /** Tells of those that were not told of, and begins anew. */
  end(): void {
    if (this.#count > this.#told) this.#tellRest();
    this.#count = 0;
    this.#told = 0;
  }

  #tellRest(): void {
    const count = this.#count - this.#told;
    this.#told = this.#count;
    this.#tell(count);
  }
}
