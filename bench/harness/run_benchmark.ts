/**
 * Runs a benchmark: reads the command line, measures rows in rounds, and writes what came of it.
 *
 * @module
 */

import { setup } from "../../tools/setup.ts";
import {
  type Arguments,
  parseArguments,
  PUBLISHED,
  UNPUBLISHED,
  UsageError,
  type UsageInit,
  usageOf,
} from "./arguments.ts";
import { endWithSignals } from "./children.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { nameOfDuration, Progress } from "./progress.ts";

/** The rounds of what is measured as one. */
export interface Rounds<Report> {
  rounds: Report[];
}

/** What is measured, how, and how it is reported. */
export interface Benchmark<Row extends Rounds<Report>, Report, Results> extends UsageInit {
  /** Lists the words that `--only` knows. */
  listWords(): string;
  /**
   * Chooses what is measured. The rows of a group take turns.
   *
   * @throws {RangeError} If nothing is left, or a word is unknown.
   */
  choose(args: Arguments): Row[][] | Promise<Row[][]>;
  /** Gets ready for more than all benchmarks do. */
  prepare?(): Promise<void>;
  /** Tells about how long a round of a row takes, in seconds. */
  expectedSeconds(row: Row, prepared: Prepared): number;
  nameOf(row: Row): string;
  measure(row: Row, prepared: Prepared): Promise<Report>;
  describe(row: Row, report: Report): string;
  /** Tells whether a report is worth little, as other processes took much of the cores. */
  isDisturbed?(row: Row, report: Report): boolean;
  /** Puts together what was measured, and on what. */
  sumUp(rows: Row[], facts: Prepared["facts"]): Results;
  encodeJson(results: Results): string;
  encodeMarkdown(results: Results): string;
  draw(results: Results): string;
  /** What is printed at last. */
  encodeTables(results: Results): string;
}

/** How often a measurement that was disturbed is made again. */
const MAX_REPEATS = 2;

/** Measures all rows, those of a group in turns; returns the names of those that were disturbed to the end. */
async function measureAll<Row extends Rounds<Report>, Report>(
  { expectedSeconds, nameOf, measure, describe, isDisturbed }: Pick<
    Benchmark<Row, Report, never>,
    "expectedSeconds" | "nameOf" | "measure" | "describe" | "isDisturbed"
  >,
  groups: Row[][],
  prepared: Prepared,
): Promise<Set<string>> {
  const { rounds, pinning } = prepared.facts;
  const turns = groups.flatMap((group) => Array.from({ length: rounds }, () => group).flat());
  const expected = turns.map((row) => expectedSeconds(row, prepared));
  const total = nameOfDuration(expected.reduce((a, b) => a + b, 0));
  console.error(`${pinning}; ${expected.length} measurements: ${total}`);
  const progress = new Progress(expected);
  const disturbed = new Set<string>();
  for (const row of turns) {
    const name = nameOf(row);
    progress.start(name);
    let report = await measure(row, prepared);
    for (let i = 0; i < MAX_REPEATS && isDisturbed?.(row, report); i++) {
      report = await measure(row, prepared);
    }
    if (isDisturbed?.(row, report)) disturbed.add(name.trim().replace(/ +/g, " "));
    row.rounds.push(report);
    progress.report(name, describe(row, report));
  }
  return disturbed;
}

async function main<Row extends Rounds<Report>, Report, Results>(
  args: Arguments,
  benchmark: Benchmark<Row, Report, Results>,
): Promise<void> {
  const { file } = benchmark;
  if (args.help) return console.log(usageOf(benchmark));
  if (args.list) return console.log(benchmark.listWords());
  let groups: Row[][];
  try {
    groups = await benchmark.choose(args);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
  await setup();
  await benchmark.prepare?.();
  const prepared = await prepare(args);
  endWithSignals();
  const startedAt = performance.now();
  const disturbed = await measureAll(benchmark, groups, prepared);
  const results = benchmark.sumUp(groups.flat(), prepared.facts);
  const mayPublish = disturbed.size === 0;
  const out = args.out === PUBLISHED && !mayPublish ? UNPUBLISHED : args.out;
  await Deno.mkdir(out, { recursive: true });
  const path = `${out}/${file}`;
  await Deno.writeTextFile(`${path}.json`, benchmark.encodeJson(results));
  await Deno.writeTextFile(`${path}.md`, benchmark.encodeMarkdown(results));
  await Deno.writeTextFile(`${path}.svg`, benchmark.draw(results));
  console.log(benchmark.encodeTables(results));
  const time = nameOfDuration((performance.now() - startedAt) / 1000);
  console.error(`Took ${time}. More is in ${path}.md, .json and .svg`);
  if (mayPublish) return;
  const names = [...disturbed].join("; ");
  console.error(`Warning: other processes took more than a quarter of a core at ${names}`);
  if (out !== args.out) {
    throw new Error(
      `Cannot publish in ${PUBLISHED} what was disturbed: run it again on an idle machine`,
    );
  }
}

/** Does what the command line asks for, and ends the process if that can't be done. */
export async function runBenchmark<Row extends Rounds<Report>, Report, Results>(
  benchmark: Benchmark<Row, Report, Results>,
): Promise<void> {
  try {
    await main(parseArguments(Deno.args), benchmark);
  } catch (error) {
    console.error(`${benchmark.task}: ${(error as Error).message}`);
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
