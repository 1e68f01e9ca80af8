/**
 * Fuzzes what reads a peer's bytes, until the time is over: `deno task fuzz [--seconds N] [--seed S]
 * [TARGET]...`, by default 60 seconds of everything, each target as long as another. The oracle:
 * nothing is thrown but documented errors, however the input is cut, and in agreement with a second,
 * simple implementation. What fails is made shorter and printed; it can be repeated with the target
 * and the seed, and `--once`.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { Random } from "../codec/support.ts";
import { execute, showInput, shrink, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    once: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const firstSeed = Number(values.seed);
const names = positionals.length > 0 ? positionals : Object.keys(TARGETS);
const isUnknown = names.some((name) => !Object.hasOwn(TARGETS, name));
if (!(seconds > 0) || !Number.isSafeInteger(firstSeed) || isUnknown) {
  console.error("usage: fuzz [--seconds N] [--seed S] [--once] [TARGET]...");
  console.error(`targets: ${Object.keys(TARGETS).map((name) => JSON.stringify(name)).join(", ")}`);
  process.exit(2);
}

/** How long a target is executed before the next one, in milliseconds. */
const SLICE_MS = 200;
/** How many executions there are at once where they have to wait for something. */
const CONCURRENCY = 64;

/** A target, and how far it is. */
class Campaign {
  readonly name: string;
  readonly outcomes: Map<string, number> = new Map();
  seed: number = firstSeed;
  /** How long it was executed, in milliseconds. */
  elapsed = 0;
  readonly #target: Target<unknown>;

  constructor(name: string) {
    this.name = name;
    this.#target = TARGETS[name];
  }

  get count(): number {
    return this.seed - firstSeed;
  }

  /** Executes once, or for a slice of time. */
  async run(isOnce: boolean): Promise<void> {
    const began = performance.now();
    do {
      let waiting: Promise<void>[] | undefined;
      for (let i = 0; i < (isOnce ? 1 : CONCURRENCY); i++) {
        const promise = this.#execute(this.seed++);
        if (promise !== undefined) (waiting ??= []).push(promise);
      }
      // Most targets have nothing to wait for.
      if (waiting !== undefined) await Promise.all(waiting);
    } while (!isOnce && performance.now() - began < SLICE_MS);
    this.elapsed += performance.now() - began;
  }

  #execute(seed: number): Promise<void> | undefined {
    try {
      const outcome = execute(this.#target, seed);
      if (typeof outcome !== "string") {
        return outcome.then((name) => this.#count(name), (error) => this.#fail(seed, error));
      }
      this.#count(outcome);
      return undefined;
    } catch (error) {
      return this.#fail(seed, error);
    }
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  async #fail(seed: number, first: unknown): Promise<void> {
    Error.stackTraceLimit = 30;
    console.error(`${this.name} fails: --once --seed ${seed} ${JSON.stringify(this.name)}`);
    console.error(first);
    const input = await shrink(this.#target, this.#target.make(new Random(seed)));
    console.error(`made shorter: ${showInput(input)}`);
    try {
      await this.#target.check(input);
    } catch (error) {
      console.error(error);
    }
    process.exit(1);
  }

  /** What came of it. */
  get summary(): string {
    const outcomes = [...this.outcomes].sort((a, b) => b[1] - a[1]).map(([name, count]) =>
      `${name} ${(count * 100 / this.count).toFixed(1)}%`
    );
    const rate = Math.round(this.count * 1000 / this.elapsed);
    return `${this.name}: ${show(this.count)} executions, seeds ${firstSeed} to ${
      this.seed - 1
    }, ` +
      `${show(rate)} a second of its own time: ${outcomes.join(", ")}`;
  }
}

const campaigns = names.map((name) => new Campaign(name));
const began = performance.now();
let reportedAt = began;
const total = () => campaigns.reduce((sum, { count }) => sum + count, 0);
const show = (count: number) => count.toLocaleString("en");

function report(): void {
  const elapsed = (performance.now() - began) / 1000;
  const each = campaigns.map(({ name, count }) => `${name} ${show(count)}`);
  const rate = show(Math.round(total() / elapsed));
  console.log(
    `${elapsed.toFixed(0)} s: ${show(total())} executions, ${rate} a second (${each.join(", ")})`,
  );
}

// Errors are made by the million, and looked at once there is something wrong.
Error.stackTraceLimit = 0;
let running: Campaign | undefined;
process.on("unhandledRejection", (error) => {
  const { name, seed } = running!;
  console.error(`${name} left a rejection, with a seed of the ${CONCURRENCY} before ${seed}`);
  console.error(error);
  process.exit(1);
});

do {
  for (running of campaigns) {
    await running.run(values.once);
    if (performance.now() - reportedAt < 5000) continue;
    reportedAt = performance.now();
    report();
  }
} while (!values.once && performance.now() - began < seconds * 1000);
for (const { summary } of campaigns) console.log(summary);
report();
console.log("nothing found");
// Where something waits in vain: it is the program's, and not what is fuzzed.
process.exit(0);
