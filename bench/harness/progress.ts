/**
 * Shows what is measured, how far things are, and how long they will take.
 *
 * @module
 */

/** Prints a line for each measurement, and says how long the rest will take. */
export class Progress {
  readonly #expected: number[];
  readonly #startedAt: number = performance.now();
  #done = 0;

  /** Takes how long each measurement is expected to take, in any unit. */
  constructor(expected: number[]) {
    this.#expected = expected;
  }

  /** Says what runs now, and replaces that line by {@linkcode report}; only on a terminal. */
  start(name: string): void {
    if (Deno.stderr.isTerminal()) {
      Deno.stderr.writeSync(new TextEncoder().encode(`${this.#count()}  ${name}`));
    }
  }

  /** Says what came of it. */
  report(name: string, outcome: string): void {
    if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));
    const line = `${this.#count()}  ${name}  ${outcome}`;
    this.#done++;
    console.error(`${line}  [${nameOfDuration(this.secondsLeft())} left]`);
  }

  /** How long the rest takes, if it goes on as so far. */
  secondsLeft(): number {
    const sum = (expected: number[]) => expected.reduce((a, b) => a + b, 0);
    const done = sum(this.#expected.slice(0, this.#done));
    const left = sum(this.#expected.slice(this.#done));
    return (performance.now() - this.#startedAt) / 1000 / done * left;
  }

  #count(): string {
    const total = String(this.#expected.length);
    return `${String(this.#done + 1).padStart(total.length)}/${total}`;
  }
}

/** A duration in seconds as minutes and seconds: `"1:05"`. */
export function nameOfDuration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
