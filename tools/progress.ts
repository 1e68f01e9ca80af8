/**
 * Shows how far the tests are: on a terminal one line that is rewritten, elsewhere a line now and
 * then, so that a log tells that it is alive.
 *
 * @module
 */

import { type RuntimeTally, seconds } from "./tally.ts";

const LOG_INTERVAL_MS = 15_000;
const CLEAR_LINE = "\r\x1b[K";

/** Prints lines, and one more that tells how far things are. */
export class Progress {
  readonly #isTerminal = Deno.stdout.isTerminal();
  readonly #startedAt = performance.now();
  #lastLogged = performance.now();

  /** How long it has been, in milliseconds. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Shows how far a runtime is; if it is complete, by a line that stays. */
  show(tally: RuntimeTally): void {
    const line = `${seconds(this.elapsedMs)}: ${tally.line()}`;
    if (
      tally.isComplete ||
      (!this.#isTerminal && performance.now() - this.#lastLogged > LOG_INTERVAL_MS)
    ) {
      this.print(line);
    } else if (this.#isTerminal) {
      Deno.stdout.writeSync(new TextEncoder().encode(CLEAR_LINE + line));
    }
  }

  /** Prints text that stays. */
  print(text: string): void {
    this.end();
    console.log(text);
    this.#lastLogged = performance.now();
  }

  /** Removes the line that is rewritten. */
  end(): void {
    if (this.#isTerminal) Deno.stdout.writeSync(new TextEncoder().encode(CLEAR_LINE));
  }
}
