/**
 * The results as a line, as tables and as a chart.
 *
 * @module
 */

import { type ChartBar, type ChartRow, drawChart } from "../harness/chart.ts";
import { formatNumber } from "../harness/numbers.ts";
import { type BrokerCell, namesOf, SIZE, titleOf } from "./candidates.ts";
import { type BrokerResults, type BrokerRow, failureOf, summaryOf } from "./results.ts";
import type { BrokerReport, BrokerResult, Shape } from "./task.ts";

/** From when on it is the generator that takes the time. */
const MAX_GENERATOR_LOAD = 0.95;

/** A cell for people. */
export function nameOf({ candidate, shape }: BrokerCell): string {
  return `${shape.id.padEnd(8)}${namesOf(candidate).join(", ")}`;
}

function formatLatency(us: number): string {
  return us < 1000 ? `${formatNumber(us)} µs` : `${formatNumber(us / 1000)} ms`;
}

/** Says what came of one round. */
export function describeReport(report: BrokerReport): string {
  if ("error" in report) return `failed: ${report.error}`;
  const { rate, p50Us, p99Us, serverUs, brokerUs, generatorLoad } = report.result;
  return `${formatNumber(rate)}/s, p50 ${formatLatency(p50Us)}, p99 ${formatLatency(p99Us)}, ` +
    `servers ${formatNumber(serverUs)} µs/message, broker ${formatNumber(brokerUs)} µs/message, ` +
    `generator's CPU ${(generatorLoad * 100).toFixed(0)} %`;
}

function shapesOf({ rows }: BrokerResults): Shape[] {
  return [...new Set(rows.map(({ shape }) => shape))];
}

function encodeCell(
  row: BrokerRow,
  name: keyof BrokerResult,
  format: (number: number) => string,
): string {
  const summary = summaryOf(row, name);
  if (summary === undefined) return "";
  const { median, min, max } = summary;
  return row.rounds.length === 1
    ? format(median)
    : `${format(median)} (${format(min)}–${format(max)})`;
}

function encodeRow(row: BrokerRow): string {
  const [server, runtime, broker] = namesOf(row.candidate);
  const load = summaryOf(row, "generatorLoad")?.median ?? 0;
  const cells = [
    `${server} on ${runtime}`,
    broker,
    failureOf(row) ||
    `${encodeCell(row, "rate", formatNumber)}${load > MAX_GENERATOR_LOAD ? " †" : ""}`,
    encodeCell(row, "p50Us", formatLatency),
    encodeCell(row, "p99Us", formatLatency),
    encodeCell(row, "serverUs", formatNumber),
    encodeCell(row, "brokerUs", formatNumber),
  ];
  return `| ${cells.join(" | ")} |\n`;
}

/** The table of one load. */
function encodeShape(results: BrokerResults, shape: Shape): string {
  const rows = results.rows.filter((row) => row.shape === shape);
  return `## ${titleOf(shape)}

| | | messages a second | latency, median | latency, 99 % | servers' CPU, µs a message | broker's CPU, µs a message |
| --- | --- | --: | --: | --: | --: | --: |
${rows.map(encodeRow).join("")}`;
}

/** All tables. */
export function encodeTables(results: BrokerResults): string {
  return shapesOf(results).map((shape) => encodeShape(results, shape)).join("\n");
}

/** The report. */
export function encodeMarkdown(results: BrokerResults): string {
  return `# Messages from one server to another

${results.facts}.

A connection to one server sends texts of ${SIZE} bytes; the subscribers are connected to another server,
which gets them through the broker. The latency is from when a message is sent until the last
subscriber has it. CPU time is that of both servers together, user and system, a message (not a
delivery). In parentheses: the least and the most of the rounds. † The load generator was busy all
the time: more would have been possible.

${encodeTables(results)}`;
}

const COLUMNS: [title: string, name: keyof BrokerResult, format: (number: number) => string][] = [
  ["CPU of both servers, a message", "serverUs", (us) => `${formatNumber(us)} µs`],
  ["Latency, median", "p50Us", formatLatency],
];

function toBar(
  row: BrokerRow,
  reference: BrokerRow | undefined,
  name: keyof BrokerResult,
  format: (number: number) => string,
): ChartBar {
  const { candidate } = row;
  const value = summaryOf(row, name)?.median;
  const base = reference && summaryOf(reference, name)?.median;
  const isOurs = candidate.family === "sluice";
  const [server, runtime, broker] = namesOf(candidate);
  const ratio = isOurs && value !== undefined && base ? ` (${(value / base).toFixed(2)}×)` : "";
  return {
    name: isOurs ? `${runtime}, ${broker}` : server,
    value,
    label: value === undefined ? "failed" : `${format(value)}${ratio}`,
    isOurs,
    isReference: row === reference,
  };
}

/** The rows of the chart. */
export function chooseChartRows(results: BrokerResults): ChartRow[] {
  return shapesOf(results).map((shape) => {
    const rows = results.rows.filter((row) => row.shape === shape);
    const reference = rows.find(({ candidate }) => candidate.family === "socket.io");
    const cells = COLUMNS.map(([column, name, format]) => ({
      column,
      bars: rows.map((row) => toBar(row, reference, name, format)),
    }));
    const [title, subtitle] = titleOf(shape).split(", ");
    return { title: `To ${title}`, subtitle, cells };
  });
}

/** The chart. */
export function drawBrokers(results: BrokerResults): string {
  return drawChart(
    "From one server to another, through Redis and NATS",
    "Sluice on each runtime; the dotted line is Socket.IO with its Redis adapter, on Node. Shorter is better.",
    results.facts,
    chooseChartRows(results),
  );
}
