/**
 * What of the results the chart shows: ours, the runtime's most used server, and raw TCP.
 *
 * @module
 */

import { failureOf, type Results, type Row, summaryOf } from "../results.ts";
import type { RuntimeId, ServerKind } from "../servers.ts";
import {
  COMPRESSION_TITLES,
  isAboutMemory,
  nameOfSize,
  type PayloadKind,
  type Workload,
} from "../workloads.ts";
import type { ChartBar, ChartRow } from "./chart.ts";
import { formatCost } from "./line.ts";
import { formatNumber, formatSize } from "./numbers.ts";

/** The names there is room for, of the servers that are shown. */
const NAMES: Record<string, string> = {
  "ws": "ws",
  "bun-serve": "Bun.serve",
  "deno-upgrade": "Deno native",
  "raw": "raw TCP",
};

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
      return ["Fan-out of 1 KiB", "to 1,000; of one delivery"];
    case "handshake":
      return ["Handshake", "and the end of the connection"];
    case "idle":
      return ["Memory of a connection", "5,000 of them, idle"];
    case "memory":
      return ["Memory of a connection", `1 KiB of JSON, ${COMPRESSION_TITLES[compression!]}`];
    case "large":
      return ["Peak memory", "100 MiB message sent back"];
  }
}

/** Chooses what is shown of what was measured. */
export function chooseChartRows({ rows, runtimes }: Results): ChartRow[] {
  const workloads = [...new Set(rows.map(({ workload }) => workload))].filter(isShown);
  return workloads.map((workload) => {
    const [title, subtitle] = describeWorkload(workload);
    const cells = (Object.keys(runtimes) as RuntimeId[]).map((runtime) => {
      const own = rows.filter((row) => row.workload === workload && row.server.runtime === runtime);
      return { column: runtimes[runtime], bars: chooseBars(own) };
    });
    return { title, subtitle, cells: cells.filter(({ bars }) => bars.length > 0) };
  }).filter(({ cells }) => cells.length > 0);
}

function chooseBars(rows: Row[]): ChartBar[] {
  const find = (id: string) => rows.find(({ server }) => server.words[0] === id);
  // The style for large messages is the one that takes them as streams.
  const ours = find("sluice-messages") !== undefined && rows[0].workload.kind === "large"
    ? find("sluice-messages")
    : find("sluice-callback");
  const shown = [ours, ...Object.keys(NAMES).map(find)].filter((row) => row !== undefined);
  const peer = shown.find(({ server }) => server.family === "peer");
  return shown.map((row) => toBar(row, peer));
}

function toBar(row: Row, peer: Row | undefined): ChartBar {
  const { server } = row;
  const value = valueOf(row), reference = peer && valueOf(peer);
  const isOurs = server.family === "sluice";
  let label = value === undefined ? describeFailure(row) : formatValue(row, value);
  if (isOurs && value !== undefined && reference !== undefined) {
    label += ` (${(value / reference).toFixed(2)}×)`;
  }
  return { name: nameOf(server), value, label, isOurs, isReference: row === peer };
}

function nameOf({ family, words }: ServerKind): string {
  return family === "sluice" ? "Sluice" : NAMES[words[0]];
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
