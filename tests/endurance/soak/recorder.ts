/**
 * Keeps how long things took, and what went wrong.
 *
 * @module
 */

import { Histogram } from "../../../bench/servers/load/histogram.ts";
import type { HonestReport, Latency, Wait } from "./reports.ts";

/** No more failures of one interval are told: one may have thousands of the same cause. */
const MAX_FAILURES = 5;

const NO_WAIT: Wait = { what: "nothing", ms: 0 };

/** Durations, counted. */
class Durations {
  readonly #histogram = new Histogram();
  #count = 0;
  #max = 0;

  record(ms: number): void {
    this.#histogram.record(Math.round(ms * 1000));
    this.#count++;
    this.#max = Math.max(this.#max, ms);
  }

  reset(): void {
    this.#histogram.reset();
    this.#count = this.#max = 0;
  }

  get latency(): Latency {
    const [p50, p99] = [0.5, 0.99].map((q) => this.#histogram.quantile(q) / 1000);
    return { count: this.#count, p50, p99, max: this.#max };
  }
}

/** What the honest clients tell. */
export class Recorder {
  readonly #total: Map<string, Durations> = new Map();
  readonly #recent = new Durations();
  #longest: Wait = NO_WAIT;
  #turnedAway = 0;
  #failures: string[] = [];

  /** Measures how long something takes that the server is waited for. */
  async measure<T>(what: string, work: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const result = await work;
    this.record(what, performance.now() - startedAt);
    return result;
  }

  /** Takes how long something took, in milliseconds. */
  record(what: string, ms: number): void {
    let durations = this.#total.get(what);
    if (durations === undefined) this.#total.set(what, durations = new Durations());
    durations.record(ms);
    if (what === "echo") this.#recent.record(ms);
    // Whoever holds much has to wait while memory is short: see `memoryBudget`.
    if (what !== "large" && ms > this.#longest.ms) this.#longest = { what, ms };
  }

  /** A client with a large message was turned away, as memory was short. */
  turnAway(): void {
    this.#turnedAway++;
  }

  /** Takes something that went wrong. */
  fail(message: string): void {
    if (this.#failures.length < MAX_FAILURES) this.#failures.push(message);
  }

  /** Forgets how long things took. */
  forget(): void {
    this.#total.clear();
    this.#recent.reset();
    this.#longest = NO_WAIT;
  }

  /** Tells, and begins a new interval. */
  report(): HonestReport {
    const report = {
      total: Object.fromEntries([...this.#total].map(([what, { latency }]) => [what, latency])),
      recent: this.#recent.latency,
      longest: this.#longest,
      turnedAway: this.#turnedAway,
      failures: this.#failures,
    };
    this.#recent.reset();
    this.#longest = NO_WAIT;
    this.#failures = [];
    return report;
  }
}
