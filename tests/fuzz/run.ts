/**
 * Fuzzes what reads a peer's bytes, until the time is over: `deno task fuzz [--seconds N] [--seed S]
 * [TARGET]...`, by default 60 seconds of everything. The oracle: nothing is thrown but documented
 * errors, however the input is cut, and in agreement with a second, simple implementation. What
 * fails can be repeated with the target and the seed that are printed, and `--once`.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
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

/** Executions between two looks at the clock. */
const BATCH = 200;

const counts = new Map(names.map((name) => [name, 0]));
const began = performance.now();
let reportedAt = began;
const total = () => [...counts.values()].reduce((sum, count) => sum + count, 0);

function report(): void {
  const elapsed = (performance.now() - began) / 1000;
  const each = [...counts].map(([name, count]) => `${name} ${count.toLocaleString("en")}`);
  const rate = Math.round(total() / elapsed).toLocaleString("en");
  console.log(`${elapsed.toFixed(0)} s: ${each.join(", ")}; ${rate} a second`);
}

function execute(name: string, seed: number): void {
  try {
    TARGETS[name](seed);
  } catch (error) {
    console.error(`${name} fails: --once --seed ${seed} ${JSON.stringify(name)}`);
    console.error(error);
    process.exit(1);
  }
}

let seed = firstSeed;
do {
  for (let i = values.once ? BATCH - 1 : 0; i < BATCH; i++, seed++) {
    for (const name of names) {
      execute(name, seed);
      counts.set(name, counts.get(name)! + 1);
    }
  }
  if (performance.now() - reportedAt < 5000) continue;
  reportedAt = performance.now();
  report();
} while (!values.once && performance.now() - began < seconds * 1000);
report();
console.log(
  `${total().toLocaleString("en")} executions, seeds ${firstSeed} to ${seed - 1}: nothing found`,
);
