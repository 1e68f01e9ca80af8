/**
 * Measures whole servers beside each other: `deno task bench:servers`. README.md of this folder says
 * how.
 *
 * @module
 */

import { setup } from "../../tools/setup.ts";
import { type Arguments, parseArguments, USAGE, UsageError } from "./arguments.ts";
import { measure } from "./measure.ts";
import { type Group, listGroups } from "./plan.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { nameOfDuration, Progress } from "./progress.ts";
import { describeReport } from "./report/line.ts";
import { encodeMarkdown } from "./report/markdown.ts";
import type { Results, Row } from "./results.ts";
import { idOf } from "./servers.ts";

function chooseGroups(args: Arguments): Group[] {
  try {
    return listGroups(args);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`--only: ${error.message}`);
    throw error;
  }
}

/** Measures the servers of each group in turns. */
async function measureAll(groups: Group[], { bench, facts }: Prepared): Promise<Results> {
  const progress = new Progress(groups.flat().length * facts.rounds);
  const rows: Row[] = [];
  for (const group of groups) {
    const groupRows = group.map((cell): Row => ({ ...cell, rounds: [], detail: "" }));
    rows.push(...groupRows);
    for (let round = 0; round < facts.rounds; round++) {
      for (const row of groupRows) {
        const { report, detail } = await measure(bench, row);
        row.rounds.push(report);
        row.detail = detail;
        const { id, payload } = row.workload;
        const name = `${id} ${payload}`.padEnd(16) + idOf(row.server).padEnd(24);
        progress.report(name, describeReport(row.workload, report));
      }
    }
  }
  return { ...facts, rows };
}

async function main(args: Arguments): Promise<void> {
  const groups = chooseGroups(args);
  await setup();
  const prepared = await prepare(args);
  const startedAt = performance.now();
  console.error(prepared.facts.pinning);
  const results = await measureAll(groups, prepared);
  console.log(encodeMarkdown(results));
  console.error(`took ${nameOfDuration((performance.now() - startedAt) / 1000)}`);
}

try {
  const args = parseArguments(Deno.args);
  if (args.help) console.log(USAGE);
  else await main(args);
} catch (error) {
  const { message } = error as Error;
  console.error(`bench:servers: ${message}`);
  Deno.exit(error instanceof UsageError ? 2 : 1);
}
