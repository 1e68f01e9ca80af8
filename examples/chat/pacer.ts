/** Allows `burst` messages at once, and one every `intervalMs` from then on. */
export class Pacer {
  readonly #burst: number;
  readonly #intervalMs: number;
  /** When the message after this one is due, were they evenly spaced. */
  #dueAt = -Infinity;

  constructor(burst: number, intervalMs: number) {
    this.#burst = burst;
    this.#intervalMs = intervalMs;
  }

  /** Counts a message; returns how long it has to wait, in milliseconds. */
  count(now: number = performance.now()): number {
    const earliest = now - this.#burst * this.#intervalMs;
    this.#dueAt = Math.max(this.#dueAt, earliest) + this.#intervalMs;
    return Math.max(0, this.#dueAt - now);
  }
}
