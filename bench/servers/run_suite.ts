/**
 * Measures the servers of a suite beside each other, and reports what came of it.
 *
 * @module
 */

import { drawChart } from "../harness/chart.ts";
import { describeFacts } from "../harness/prepare.ts";
import { runBenchmark } from "../harness/run_benchmark.ts";
import { leaveOutTooMany } from "./descriptors.ts";
import { expectedSeconds } from "./expected_duration.ts";
import { isDisturbed, type LoadReport } from "./load/result.ts";
import { measure } from "./measure.ts";
import { listGroups, listWords } from "./plan.ts";
import { chooseChartRows } from "./report/chart_rows.ts";
import { encodeJson } from "./report/json.ts";
import { describeReport } from "./report/line.ts";
import { encodeCosts, encodeMarkdown } from "./report/markdown.ts";
import type { Results, Row } from "./results.ts";
import { idOf } from "./servers.ts";
import type { Suite } from "./suite.ts";
import { isAboutMemory } from "./workloads.ts";

/** Does what the command line asks for, and ends the process if that can't be done. */
export async function runSuite(suite: Suite): Promise<void> {
  const { task, file, minutes, chart: { title, subtitle } } = suite;
  await runBenchmark<Row, LoadReport, Results>({
    ...{ task, file, minutes },
    listWords: () => listWords(suite),
    async choose(args) {
      const groups = await leaveOutTooMany(listGroups(args, suite), console.error);
      return groups.map((group) => group.map((cell) => ({ ...cell, rounds: [], detail: "" })));
    },
    expectedSeconds: ({ workload }, { bench }) => expectedSeconds(bench, workload),
    nameOf: ({ workload: { id, payload }, server }) =>
      `${id} ${payload}`.padEnd(32) + idOf(server).padEnd(23),
    async measure(row, { bench }) {
      const { report, detail } = await measure(bench, row);
      row.detail ||= detail;
      return report;
    },
    describe: ({ workload }, report) => describeReport(workload, report),
    isDisturbed: ({ workload }, report) =>
      "result" in report && !isAboutMemory(workload) && isDisturbed(report.result),
    sumUp: (rows, facts) => ({ ...facts, rows }),
    encodeJson,
    encodeMarkdown: (results) => encodeMarkdown(results, suite),
    draw: (results) =>
      drawChart(title, subtitle, describeFacts(results), chooseChartRows(results, suite)),
    encodeTables: (results) => encodeCosts(results, suite.ours),
  });
}
