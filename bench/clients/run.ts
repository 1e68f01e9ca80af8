/**
 * Measures clients beside each other: `deno task bench:clients`. README.md of this folder says how.
 *
 * @module
 */

import { type Bench, runProgram, withServers } from "../harness/programs.ts";
import { runBenchmark } from "../harness/run_benchmark.ts";
import { chooseCells, type ClientCell, listWords, namesOf } from "./candidates.ts";
import {
  type ClientResults,
  type ClientRow,
  describeReport,
  drawClients,
  encodeMarkdown,
  encodeTable,
  isDisturbed,
} from "./report.ts";
import type { ClientReport, ClientTask } from "./task.ts";

/** What it takes to start the processes, and to connect. */
const START_SECONDS = 1;
/** Longer than anything takes that still works. */
const DEADLINE_MS = 60_000;

const CLIENT = new URL("client.ts", import.meta.url);
/** It is quicker than any client, so that it never is what takes the time. */
const SERVER = {
  runtime: "bun",
  program: new URL("../servers/peers/bun_serve.ts", import.meta.url),
  args: ["echo", "", "off"],
} as const;

async function measure(
  { cores, executables, warmUpMs, measureMs }: Bench,
  { client, runtime, load }: ClientCell,
): Promise<ClientReport> {
  // The client is what is measured, and the server is its load.
  const turned = { executables, cores: { ...cores, server: cores.generator } };
  try {
    return await withServers(turned, [{ ...SERVER, args: [...SERVER.args] }], ([{ port }]) => {
      const task: ClientTask = { client, load, port, warmUpMs, measureMs };
      return runProgram(cores.server, executables, runtime, CLIENT, task, DEADLINE_MS);
    });
  } catch (error) {
    return { error: (error as Error).message };
  }
}

await runBenchmark<ClientRow, ClientReport, ClientResults>({
  task: "bench:clients",
  file: "clients",
  minutes: { whole: "six minutes", quick: "one minute" },
  listWords,
  choose(args) {
    const rows = chooseCells(args).map((cell): ClientRow => ({ ...cell, rounds: [] }));
    const groups = Map.groupBy(rows, ({ load, runtime }) => `${load.id} ${runtime}`);
    return [...groups.values()];
  },
  expectedSeconds: (_row, { bench: { warmUpMs, measureMs } }) =>
    START_SECONDS + (warmUpMs + measureMs) / 1000,
  nameOf: (row) => `${row.load.id.padEnd(10)}${namesOf(row).join(" on ")}`.padEnd(30),
  measure: (row, { bench }) => measure(bench, row),
  describe: (_row, report) => describeReport(report),
  isDisturbed: (_row, report) => isDisturbed(report),
  sumUp: (rows, facts) => ({ ...facts, rows }),
  encodeJson: (results) => JSON.stringify(results, null, 2) + "\n",
  encodeMarkdown,
  draw: drawClients,
  encodeTables: encodeTable,
});
