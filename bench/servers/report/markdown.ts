/**
 * The results as tables.
 *
 * @module
 */

import {
  failureOf,
  findRow,
  isLoadBound,
  isMostlyDisturbed,
  type Results,
  type Row,
  summaryOf,
  type SummedNumber,
} from "../results.ts";
import { describeFacts } from "../../harness/prepare.ts";
import type { RuntimeId } from "../../harness/programs.ts";
import { type ServerKind, SERVERS } from "../servers.ts";
import { SERVERS_SUITE, type Suite } from "../suite.ts";
import { isAboutMemory, type Workload } from "../workloads.ts";
import { formatCost, formatWireRatio } from "./line.ts";
import { formatNumber, formatSize } from "../../harness/numbers.ts";

/** All tables. */
export function encodeMarkdown(results: Results, suite: Suite = SERVERS_SUITE): string {
  const cpu = results.rows.some(isWallTime)
    ? "The system does not tell the CPU time of a process: these are microseconds that passed."
    : "Microseconds of the server's CPU time, user and system.";
  const ours = SERVERS.find(({ words }) => words[0] === suite.ours)!.title;
  return `# ${suite.heading}

${describeFacts(results)}.

${
    suite === SERVERS_SUITE
      ? "A row is _connections × messages in flight on each × size_. "
      : ""
  }${cpu} Less is better. In parentheses:
the least and the most of the rounds. † The load generator was busier than the server: more would
have been possible. ‡ Other processes took much of the cores. Ratios are of the medians, of
"${ours}".

## Cost

${encodeCosts(results, suite.ours)}
${suite === SERVERS_SUITE ? encodeOurs(results) : ""}## Rate, latency and memory

${encodeDetails(results)}`;
}

/** What is to be said of our servers alone. */
function encodeOurs(results: Results): string {
  return `## Styles

${encodeStyles(results)}
## Compression that is not used

${encodeUnusedCompression(results)}
`;
}

/** What a message costs each server: a table for each runtime. */
export function encodeCosts(results: Results, ours: string = SERVERS_SUITE.ours): string {
  const isSwitched = ours !== SERVERS_SUITE.ours;
  return encodeEachRuntime(results, (own, title) => {
    const usual = SERVERS.find(({ words, runtime }) =>
      words[0] === SERVERS_SUITE.ours && runtime === own[0].server.runtime
    )!;
    const isShown = ({ words, family }: ServerKind) => family !== "sluice" || words[0] === ours;
    // Where only styles were measured, there is nothing else to show.
    const servers = serversOf(own).filter((server, _, all) =>
      !all.some(isShown) || isShown(server)
    );
    const others = servers.some(({ family }) => family === "sluice")
      ? servers.filter(({ family }) => family !== "sluice")
      : [];
    const header = [
      title,
      ...servers.map(({ family, title }) => family === "sluice" && isSwitched ? "Sluice" : title),
      ...others.map(({ title }) => `Sluice / ${title}`),
    ];
    const lines = workloadsOf(own).map((workload) => [
      workload.title,
      ...servers.map((server) =>
        encodeCost(own, workload, server) ||
        // What is not about our server that the others are compared with, is about the usual one.
        (server.family === "sluice" && isSwitched ? encodeCost(own, workload, usual) : "")
      ),
      ...others.map((server) => encodeRatio(own, workload, server, ours)),
    ]);
    return encodeTable(header, lines);
  });
}

/** What a message costs in each style. */
function encodeStyles(results: Results): string {
  return encodeEachRuntime(results, (own, title) => {
    const styles = own.filter(({ server }) =>
      server.family === "sluice" && server.unusedCompression === undefined
    );
    const servers = serversOf(styles);
    const others = servers.filter(({ words }) => words[0] !== "sluice-callback");
    const lines = workloadsOf(styles.filter(({ server }) => others.includes(server)))
      .map((workload) => [
        workload.title,
        ...servers.map((server) => encodeCost(own, workload, server)),
        ...others.map((server) => encodeInverseRatio(own, workload, server)),
      ]);
    const header = [
      title,
      ...servers.map(({ title }) => title),
      ...others.map(({ words }) => `${words[2]} / callback`),
    ];
    return lines.length === 0 ? "" : encodeTable(header, lines);
  });
}

/** What it costs to have compression on where messages are not compressed. */
function encodeUnusedCompression(results: Results): string {
  return encodeEachRuntime(results, (own, title) => {
    const callback = own.filter(({ server }) => server.words[0] === "sluice-callback");
    const unused = own.filter(({ server }) => server.unusedCompression !== undefined);
    const others = serversOf(unused);
    const servers = [...serversOf(callback), ...others];
    const lines = workloadsOf(unused).map((workload) => [
      workload.title,
      ...servers.map((server) => encodeCost(own, workload, server)),
      ...others.map((server) => encodeInverseRatio(own, workload, server)),
    ]);
    const header = [
      title,
      ...servers.map(({ title }) => title),
      ...others.map(({ unusedCompression }) => `${unusedCompression} / off`),
    ];
    return lines.length === 0 ? "" : encodeTable(header, lines);
  });
}

/** Everything else. */
function encodeDetails(results: Results): string {
  return encodeEachRuntime(results, (own, title) => {
    const lines = own.map((row) => [
      row.workload.title,
      row.server.title,
      encodeMedian(row, "rate", formatNumber),
      row.workload.compression === undefined ? "" : encodeMedian(row, "wireRatio", formatWireRatio),
      encodeMedian(row, "p50Us", formatLatency),
      encodeMedian(row, "p99Us", formatLatency),
      encodeMedian(row, "peakMemory", formatSize),
    ]);
    return encodeTable([title, "", "a second", "on the wire", "p50", "p99", "peak memory"], lines);
  });
}

function encodeEachRuntime(
  { rows, runtimes }: Results,
  encode: (own: Row[], title: string) => string,
): string {
  const ids = [...new Set(rows.map(({ server }) => server.runtime))];
  const encodeOne = (id: RuntimeId) =>
    encode(rows.filter(({ server }) => server.runtime === id), runtimes[id]);
  return ids.map(encodeOne).join("\n");
}

function encodeTable(header: string[], lines: string[][]): string {
  const alignment = header.map((title, i) => i === 0 || title === "" ? "---" : "--:");
  return [header, alignment, ...lines].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function encodeCost(rows: Row[], workload: Workload, server: ServerKind): string {
  const row = find(rows, workload, server);
  if (row === undefined) return "";
  const cost = summaryOf(row, "cost");
  if (cost === undefined) return failureOf(row) ?? "";
  const format = (number: number) => formatCost(workload, number);
  const spread = row.rounds.length > 1 ? ` (${format(cost.min)}–${format(cost.max)})` : "";
  const marks = `${isLoadBound(row) ? " †" : ""}${isMostlyDisturbed(row) ? " ‡" : ""}`;
  return `${format(cost.median)}${spread}${marks}`;
}

/** The cost of ours, divided by that of another server. */
function encodeRatio(rows: Row[], workload: Workload, other: ServerKind, ours: string): string {
  const row = find(rows, workload, other);
  if (row === undefined) return "";
  return divide(findRow(rows, row, ({ words }) => words[0] === ours), row);
}

/** The cost of another style, divided by that of the callback style. */
function encodeInverseRatio(rows: Row[], workload: Workload, style: ServerKind): string {
  const row = find(rows, workload, style);
  if (row === undefined) return "";
  return divide(row, findRow(rows, row, ({ words }) => words[0] === "sluice-callback"));
}

function divide(dividend: Row | undefined, divisor: Row | undefined): string {
  const a = dividend && summaryOf(dividend, "cost"), b = divisor && summaryOf(divisor, "cost");
  return a === undefined || b === undefined ? "" : (a.median / b.median).toFixed(2);
}

function encodeMedian(
  row: Row,
  name: SummedNumber,
  format: (number: number) => string,
): string {
  const summary = summaryOf(row, name);
  return summary === undefined || summary.median === 0 ? "" : format(summary.median);
}

function formatLatency(us: number): string {
  return us < 1000 ? `${formatNumber(us)} µs` : `${formatNumber(us / 1000)} ms`;
}

function isWallTime({ workload, rounds }: Row): boolean {
  return !isAboutMemory(workload) &&
    rounds.some((report) => "result" in report && !report.result.isCpuTime);
}

function find(rows: Row[], workload: Workload, server: ServerKind): Row | undefined {
  return rows.find((row) => row.workload === workload && row.server === server);
}

function serversOf(rows: Row[]): ServerKind[] {
  return SERVERS.filter((server) => rows.some((row) => row.server === server));
}

function workloadsOf(rows: Row[]): Workload[] {
  return [...new Set(rows.map(({ workload }) => workload))];
}
