/**
 * What of the results the chart shows: ours, the runtime's most used server, and raw TCP.
 *
 * @module
 */

import { failureOf, type Results, type Row, summaryOf } from "../results.ts";
import type { RuntimeId } from "../../harness/programs.ts";
import { SERVERS_SUITE, type Suite } from "../suite.ts";
import {
  COMPRESSION_TITLES,
  isAboutMemory,
  nameOfSize,
  type PayloadKind,
  type Workload,
} from "../workloads.ts";
import type { ChartBar, ChartRow } from "../../harness/chart.ts";
import { formatCost } from "./line.ts";
import { formatNumber, formatSize } from "../../harness/numbers.ts";

/** Texts cost about the same in all sizes, so that one of them will do. */
function isShown({ kind, payload, size, connections }: Workload): boolean {
  if (kind !== "echo") return true;
  return payload === "binary" || payload === "json" ? connections < 1000 : size === 1024;
}

const PAYLOAD_TITLES: Record<PayloadKind, string> = {
  binary: "",
  ascii: " of ASCII",
  utf8: " of mixed text",
  json: " of JSON",
};

function describeWorkload(workload: Workload): string[] {
  const { kind, connections, inFlight, size, payload, compression } = workload;
  switch (kind) {
    case "echo": {
      const title = `Echo of ${nameOfSize(size)}${PAYLOAD_TITLES[payload]}`;
      return compression === undefined
        ? [title, `${connections} connections, ${inFlight} in flight`]
        : [title, `${COMPRESSION_TITLES[compression]}; ${connections} × ${inFlight} in flight`];
    }
    case "fan-out":
      return describeFanOut(workload);
    case "handshake":
      return ["Handshake", "and the end of the connection"];
    case "idle":
      return ["Memory of a connection", "5,000 of them, idle"];
    case "subscribed":
      return ["Memory of a connection", "subscribed to three topics"];
    case "memory":
      return ["Memory of a connection", `1 KiB of JSON, ${COMPRESSION_TITLES[compression!]}`];
    case "large":
      return ["Peak memory", "100 MiB message sent back"];
    case "keep-alive":
      return ["A Ping and its Pong", `${connections.toLocaleString("en")} idle connections`];
  }
}

function describeFanOut({ connections, inFlight, senders = 1, size }: Workload): string[] {
  const together = senders > 1
    ? `, from ${senders} senders`
    : inFlight > 1
    ? `, ${inFlight} together`
    : "; of one delivery";
  return [`Fan-out of ${nameOfSize(size)}`, `to ${connections.toLocaleString("en")}${together}`];
}

/** Chooses what is shown of what was measured. */
export function chooseChartRows(
  { rows, runtimes }: Results,
  suite: Suite = SERVERS_SUITE,
): ChartRow[] {
  const workloads = [...new Set(rows.map(({ workload }) => workload))].filter(isShown);
  return workloads.map((workload) => {
    const [title, subtitle] = describeWorkload(workload);
    const cells = (Object.keys(runtimes) as RuntimeId[]).map((runtime) => {
      const own = rows.filter((row) => row.workload === workload && row.server.runtime === runtime);
      return { column: runtimes[runtime], bars: chooseBars(own, suite) };
    });
    return { title, subtitle, cells: cells.filter(({ bars }) => bars.length > 0) };
  }).filter(({ cells }) => cells.length > 0);
}

function chooseBars(rows: Row[], { ours: id, chart: { names } }: Suite): ChartBar[] {
  const find = (id: string) => rows.find(({ server }) => server.words[0] === id);
  // The style for large messages is the one that takes them as streams.
  const ours = find("sluice-bodies") !== undefined && rows[0].workload.kind === "large"
    ? find("sluice-bodies")
    : find(id) ?? find("sluice-callback");
  const shown = [ours, ...Object.keys(names).map(find)].filter((row) => row !== undefined);
  const peer = shown.find(({ server }) => server.family === "peer");
  return shown.map((row) => toBar(row, peer, names));
}

function toBar(row: Row, peer: Row | undefined, names: Record<string, string>): ChartBar {
  const { server } = row;
  const value = valueOf(row), reference = peer && valueOf(peer);
  const isOurs = server.family === "sluice";
  let label = value === undefined ? describeFailure(row) : formatValue(row, value);
  if (isOurs && value !== undefined && reference !== undefined) {
    label += ` (${(value / reference).toFixed(2)}×)`;
  }
  return {
    name: isOurs ? "Sluice" : names[server.words[0]],
    value,
    label,
    isOurs,
    isReference: row === peer,
  };
}

/** Of the large message, memory is what it is about. */
function valueOf(row: Row): number | undefined {
  return summaryOf(row, row.workload.kind === "large" ? "peakMemory" : "cost")?.median;
}

function formatValue({ workload }: Row, value: number): string {
  if (workload.kind === "large") return formatSize(value);
  if (isAboutMemory(workload)) return `${formatCost(workload, value)} KiB`;
  return `${formatNumber(value)} µs`;
}

function describeFailure(row: Row): string {
  return failureOf(row)?.startsWith("failed") === true ? "failed" : "refuses it";
}
