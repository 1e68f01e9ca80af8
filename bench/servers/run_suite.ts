/**
 * Measures the servers of a suite beside each other, and reports what came of it.
 *
 * @module
 */

import { setup } from "../../tools/setup.ts";
import { type Arguments, parseArguments, UsageError, usageOf } from "../harness/arguments.ts";
import { endWithSignals } from "../harness/children.ts";
import { leaveOutTooMany } from "./descriptors.ts";
import { expectedSeconds } from "./expected_duration.ts";
import { measure } from "./measure.ts";
import { type Group, listGroups, listWords } from "./plan.ts";
import { prepare, type Prepared } from "../harness/prepare.ts";
import { nameOfDuration, Progress } from "../harness/progress.ts";
import { drawChart } from "../harness/chart.ts";
import { chooseChartRows } from "./report/chart_rows.ts";
import { encodeJson } from "./report/json.ts";
import { describeReport } from "./report/line.ts";
import { describeFacts, encodeCosts, encodeMarkdown } from "./report/markdown.ts";
import type { Results, Row } from "./results.ts";
import { idOf } from "./servers.ts";
import type { Suite } from "./suite.ts";

function chooseGroups(args: Arguments, suite: Suite): Group[] {
  try {
    return listGroups(args, suite);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

/** Measures the servers of each group in turns. */
async function measureAll(groups: Group[], { bench, facts }: Prepared): Promise<Results> {
  const { rounds } = facts;
  const expected = groups.flatMap((group) =>
    Array.from(
      { length: rounds },
      () => group.map(({ workload }) => expectedSeconds(bench, workload)),
    ).flat()
  );
  const total = expected.reduce((a, b) => a + b, 0);
  console.error(`${facts.pinning}; ${expected.length} measurements: ${nameOfDuration(total)}`);
  const progress = new Progress(expected);
  const rows: Row[] = [];
  for (const group of groups) {
    const groupRows = group.map((cell): Row => ({ ...cell, rounds: [], detail: "" }));
    rows.push(...groupRows);
    for (let round = 0; round < rounds; round++) {
      for (const row of groupRows) {
        const { id, payload } = row.workload;
        const name = `${id} ${payload}`.padEnd(32) + idOf(row.server).padEnd(23);
        progress.start(name);
        const { report, detail } = await measure(bench, row);
        row.rounds.push(report);
        row.detail ||= detail;
        progress.report(name, describeReport(row.workload, report));
      }
    }
  }
  return { ...facts, rows };
}

async function write(results: Results, suite: Suite, folder: string): Promise<void> {
  const { chart, file } = suite;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/${file}.json`, encodeJson(results));
  await Deno.writeTextFile(`${folder}/${file}.md`, encodeMarkdown(results, suite));
  const svg = drawChart(
    chart.title,
    chart.subtitle,
    describeFacts(results),
    chooseChartRows(results, suite),
  );
  await Deno.writeTextFile(`${folder}/${file}.svg`, svg);
}

async function main(args: Arguments, suite: Suite): Promise<void> {
  if (args.help) return console.log(usageOf(suite));
  if (args.list) return console.log(listWords(suite));
  const groups = await leaveOutTooMany(chooseGroups(args, suite), console.error);
  await setup();
  const prepared = await prepare(args);
  endWithSignals();
  const startedAt = performance.now();
  const results = await measureAll(groups, prepared);
  await write(results, suite, args.out);
  console.log(encodeCosts(results, suite.ours));
  const time = nameOfDuration((performance.now() - startedAt) / 1000);
  console.error(`Took ${time}. More is in ${args.out}/${suite.file}.md, .json and .svg`);
}

/** Does what the command line asks for, and ends the process where that can't be done. */
export async function runSuite(suite: Suite): Promise<void> {
  try {
    await main(parseArguments(Deno.args), suite);
  } catch (error) {
    const { message } = error as Error;
    console.error(`${suite.task}: ${message}`);
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
