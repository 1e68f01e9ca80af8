/**
 * Keeps how long things took, and what went wrong.
 *
 * @module
 */

import { Histogram } from "../../../../bench/harness/histogram.ts";

/** No more failures of one interval are told: one may have thousands of the same cause. */
const MAX_FAILURES = 5;

/** Durations in milliseconds. */
export interface Latency {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

/** Something that an honest client waited for. */
export interface Wait {
  what: string;
  ms: number;
}

/** What the honest clients have come to. */
export interface HonestReport {
  /** All so far, by what was done. */
  total: Record<string, Latency>;
  /** The same since the last report, what is still waited for included. */
  recent: Record<string, Latency>;
  /** The longest wait for anything but large messages since the last report. */
  longest: Wait;
  /** How many clients with a large message were turned away so far, as memory was short. */
  turnedAway: number;
  /** What went wrong since the last report. */
  failures: string[];
}

/** Durations of any number, about. */
class Durations {
  readonly #histogram = new Histogram();
  #count = 0;
  #max = 0;

  record(ms: number): void {
    this.#histogram.record(Math.round(ms * 1000));
    this.#count++;
    this.#max = Math.max(this.#max, ms);
  }

  get latency(): Latency {
    const [p50, p99] = [0.5, 0.99].map((q) => this.#histogram.quantile(q) / 1000);
    return { count: this.#count, p50, p99, max: this.#max };
  }
}

/** Sums up some durations, to the point. */
function latencyOf(durations: number[]): Latency {
  const sorted = durations.toSorted((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((q) => sorted[Math.ceil(sorted.length * q) - 1]);
  return { count: sorted.length, p50, p99, max: sorted.at(-1)! };
}

/** What the honest clients tell. */
export class Recorder {
  readonly #now: () => number;
  readonly #total: Map<string, Durations> = new Map();
  #recent: Map<string, number[]> = new Map();
  /** What is waited for, and since when. */
  readonly #waits: Set<{ what: string; startedAt: number }> = new Set();
  #turnedAway = 0;
  #failures: string[] = [];

  /** @param now Tells the time that waits are measured by, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Measures how long something takes that the server is waited for. */
  async measure<T>(what: string, work: Promise<T>): Promise<T> {
    const wait = { what, startedAt: this.#now() };
    this.#waits.add(wait);
    try {
      const result = await work;
      this.record(what, this.#now() - wait.startedAt);
      return result;
    } finally {
      this.#waits.delete(wait);
    }
  }

  /** Takes how long something took, in milliseconds. */
  record(what: string, ms: number): void {
    let durations = this.#total.get(what);
    if (durations === undefined) this.#total.set(what, durations = new Durations());
    durations.record(ms);
    append(this.#recent, what, ms);
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
    this.#recent.clear();
  }

  /** Tells, and begins a new interval. */
  report(): HonestReport {
    const recent = this.#recent;
    for (const { what, startedAt } of this.#waits) append(recent, what, this.#now() - startedAt);
    const longest: Wait = { what: "nothing", ms: 0 };
    for (const [what, durations] of recent) {
      const ms = Math.max(...durations);
      // Clients that hold much have to wait while memory is short: see `memoryBudget`.
      if (what !== "large" && ms > longest.ms) Object.assign(longest, { what, ms });
    }
    const report = {
      total: Object.fromEntries([...this.#total].map(([what, { latency }]) => [what, latency])),
      recent: Object.fromEntries([...recent].map(([what, all]) => [what, latencyOf(all)])),
      longest,
      turnedAway: this.#turnedAway,
      failures: this.#failures,
    };
    this.#recent = new Map();
    this.#failures = [];
    return report;
  }
}

function append(durations: Map<string, number[]>, what: string, ms: number): void {
  const all = durations.get(what);
  if (all === undefined) durations.set(what, [ms]);
  else all.push(ms);
}
