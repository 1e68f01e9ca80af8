/**
 * Measures whole servers beside each other: `deno task bench:servers`. README.md of this folder says
 * how.
 *
 * @module
 */

import { setup } from "../../tools/setup.ts";
import { type Arguments, parseArguments, USAGE, UsageError } from "./arguments.ts";
import { endWithSignals } from "./children.ts";
import { expectedSeconds } from "./expected_duration.ts";
import { measure } from "./measure.ts";
import { type Group, listGroups, listWords } from "./plan.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { nameOfDuration, Progress } from "./progress.ts";
import { drawChart } from "./report/chart.ts";
import { chooseChartRows } from "./report/chart_rows.ts";
import { encodeJson } from "./report/json.ts";
import { describeReport } from "./report/line.ts";
import { describeFacts, encodeCosts, encodeMarkdown } from "./report/markdown.ts";
import type { Results, Row } from "./results.ts";
import { idOf } from "./servers.ts";

const CHART_TITLE = "What a message costs the server";
const CHART_SUBTITLE = "CPU time a message, and memory where the row says so. Shorter is better; " +
  "in each group the dotted line is the server most used on that runtime; ws is with its addon bufferutil.";

function chooseGroups(args: Arguments): Group[] {
  try {
    return listGroups(args);
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
        const name = `${id} ${payload}`.padEnd(25) + idOf(row.server).padEnd(23);
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

async function write(results: Results, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/servers.json`, encodeJson(results));
  await Deno.writeTextFile(`${folder}/servers.md`, encodeMarkdown(results));
  const chart = drawChart(
    CHART_TITLE,
    CHART_SUBTITLE,
    describeFacts(results),
    chooseChartRows(results),
  );
  await Deno.writeTextFile(`${folder}/servers.svg`, chart);
}

async function main(args: Arguments): Promise<void> {
  if (args.help) return console.log(USAGE);
  if (args.list) return console.log(listWords());
  const groups = chooseGroups(args);
  await setup();
  const prepared = await prepare(args);
  endWithSignals();
  const startedAt = performance.now();
  const results = await measureAll(groups, prepared);
  await write(results, args.out);
  console.log(encodeCosts(results));
  const time = nameOfDuration((performance.now() - startedAt) / 1000);
  console.error(`Took ${time}. More is in ${args.out}/servers.md, .json and .svg`);
}

try {
  await main(parseArguments(Deno.args));
} catch (error) {
  const { message } = error as Error;
  console.error(`bench:servers: ${message}`);
  Deno.exit(error instanceof UsageError ? 2 : 1);
}
