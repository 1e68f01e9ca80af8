/**
 * The results as a line, as a table and as a chart.
 *
 * @module
 */

import { type ChartRow, drawChart } from "../harness/chart.ts";
import { formatNumber } from "../harness/numbers.ts";
import { describeFacts, type Facts } from "../harness/prepare.ts";
import { summarize, type Summary } from "../harness/statistics.ts";
import { type ClientCell, namesOf } from "./candidates.ts";
import type { ClientReport, Load } from "./task.ts";

/** The rounds of one client under one load. */
export interface ClientRow extends ClientCell {
  rounds: ClientReport[];
}

/** All that was measured, and on what. */
export interface ClientResults extends Facts {
  rows: ClientRow[];
}

/** Tells whether another process took so much of the client's core that the numbers mean little. */
export function isDisturbed(report: ClientReport): boolean {
  return "result" in report && report.result.waiting > 0.25;
}

/** Says what came of one round. */
export function describeReport(report: ClientReport): string {
  if ("error" in report) return `failed: ${report.error}`;
  const { cost, rate } = report.result;
  const note = isDisturbed(report) ? ", DISTURBED by other processes" : "";
  return `${formatNumber(cost)} µs, ${formatNumber(rate)}/s${note}`;
}

function costOf({ rounds }: ClientRow): Summary | undefined {
  const costs = rounds.flatMap((report) => "result" in report ? [report.result.cost] : []);
  return costs.length === 0 ? undefined : summarize(costs);
}

function loadsOf({ rows }: ClientResults): Load[] {
  return [...new Set(rows.map(({ load }) => load))];
}

/** The clients of a row's runtime under its load. */
function groupOf({ rows }: ClientResults, { load, runtime }: ClientRow): ClientRow[] {
  return rows.filter((row) => row.load === load && row.runtime === runtime);
}

/** Our cost as a multiple of the least of the others on the same runtime; `undefined` without others. */
export function ratioOf(results: ClientResults, row: ClientRow): number | undefined {
  const own = costOf(row)?.median;
  const others = groupOf(results, row)
    .filter(({ client }) => client !== "sluice")
    .flatMap((other) => costOf(other)?.median ?? []);
  return row.client !== "sluice" || own === undefined || others.length === 0
    ? undefined
    : own / Math.min(...others);
}

function encodeRow(results: ClientResults, row: ClientRow): string {
  const cost = costOf(row);
  const ratio = ratioOf(results, row);
  const mark = row.rounds.some(isDisturbed) ? " ‡" : "";
  const text = cost === undefined
    ? describeReport(row.rounds[0])
    : row.rounds.length === 1
    ? formatNumber(cost.median)
    : `${formatNumber(cost.median)} (${formatNumber(cost.min)}–${formatNumber(cost.max)})`;
  const cells = [row.load.title, ...namesOf(row).reverse(), text + mark, ratio?.toFixed(2) ?? ""];
  return `| ${cells.join(" | ")} |\n`;
}

/** The table. */
export function encodeTable(results: ClientResults): string {
  return `| load | runtime | client | µs | of the best other |
| --- | --- | --- | --: | --: |
${results.rows.map((row) => encodeRow(results, row)).join("")}`;
}

/** The report. */
export function encodeMarkdown(results: ClientResults): string {
  return `# Clients beside each other

${describeFacts(results)}.

CPU time of the client's process, user and system, for a message that is sent and comes back, or for a connection
that is opened and closed. Loads are connections × messages in flight × size. In parentheses: the least and the
most of the rounds. The last column is ours, measured by the best of the others on the same runtime. ‡ Another
process took much of the client's core.

${encodeTable(results)}`;
}

/** The chart. */
export function drawClients(results: ClientResults): string {
  const rows = loadsOf(results).map((load): ChartRow => {
    const [title, subtitle] = load.title.split(", ");
    const own = results.rows.filter((row) => row.load === load);
    const cells = [...new Set(own.map(({ runtime }) => runtime))].map((runtime) => ({
      column: results.runtimes[runtime],
      bars: own.filter((row) => row.runtime === runtime).map((row) => {
        const value = costOf(row)?.median, ratio = ratioOf(results, row);
        const times = ratio === undefined ? "" : ` (${ratio.toFixed(2)}×)`;
        return {
          name: namesOf(row)[0],
          value,
          label: value === undefined ? "failed" : `${formatNumber(value)} µs${times}`,
          isOurs: row.client === "sluice",
          isReference: row.client === "native",
        };
      }),
    }));
    return { title, subtitle, cells };
  });
  return drawChart(
    "What a message costs the client",
    "CPU time of a message there and back, or of a connection. Shorter is better; the dotted line is the " +
      "runtime's own client.",
    describeFacts(results),
    rows,
  );
}
