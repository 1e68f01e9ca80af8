/**
 * Shows what is measured, how far things are, and how long they will take.
 *
 * @module
 */

/** Prints a line for each server and round, and how much is left. */
export class Progress {
  readonly #total: number;
  readonly #startedAt: number = performance.now();
  #done = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** Says what came of the next one. */
  report(name: string, outcome: string): void {
    this.#done++;
    const count = `${this.#done}/${this.#total}`.padStart(String(this.#total).length * 2 + 1);
    const perCell = (performance.now() - this.#startedAt) / this.#done;
    const left = nameOfDuration(perCell * (this.#total - this.#done) / 1000);
    console.error(`${count}  ${left} left  ${name}  ${outcome}`);
  }
}

/** A duration in seconds as minutes and seconds: `"1:05"`. */
export function nameOfDuration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
