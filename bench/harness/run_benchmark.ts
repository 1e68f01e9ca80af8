/**
 * Runs a benchmark: reads the command line, measures rows in rounds, and writes what came of it.
 *
 * @module
 */

import { setup } from "../../tools/setup.ts";
import {
  type Arguments,
  parseArguments,
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
  /** Puts together what was measured, and on what. */
  sumUp(rows: Row[], facts: Prepared["facts"]): Results;
  encodeJson(results: Results): string;
  encodeMarkdown(results: Results): string;
  draw(results: Results): string;
  /** What is printed at last. */
  encodeTables(results: Results): string;
}

/** Measures all rows, those of a group in turns. */
async function measureAll<Row extends Rounds<Report>, Report>(
  { expectedSeconds, nameOf, measure, describe }: Pick<
    Benchmark<Row, Report, never>,
    "expectedSeconds" | "nameOf" | "measure" | "describe"
  >,
  groups: Row[][],
  prepared: Prepared,
): Promise<void> {
  const { rounds, pinning } = prepared.facts;
  const turns = groups.flatMap((group) => Array.from({ length: rounds }, () => group).flat());
  const expected = turns.map((row) => expectedSeconds(row, prepared));
  const total = nameOfDuration(expected.reduce((a, b) => a + b, 0));
  console.error(`${pinning}; ${expected.length} measurements: ${total}`);
  const progress = new Progress(expected);
  for (const row of turns) {
    const name = nameOf(row);
    progress.start(name);
    const report = await measure(row, prepared);
    row.rounds.push(report);
    progress.report(name, describe(row, report));
  }
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
  await measureAll(benchmark, groups, prepared);
  const results = benchmark.sumUp(groups.flat(), prepared.facts);
  await Deno.mkdir(args.out, { recursive: true });
  const path = `${args.out}/${file}`;
  await Deno.writeTextFile(`${path}.json`, benchmark.encodeJson(results));
  await Deno.writeTextFile(`${path}.md`, benchmark.encodeMarkdown(results));
  await Deno.writeTextFile(`${path}.svg`, benchmark.draw(results));
  console.log(benchmark.encodeTables(results));
  const time = nameOfDuration((performance.now() - startedAt) / 1000);
  console.error(`Took ${time}. More is in ${path}.md, .json and .svg`);
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
