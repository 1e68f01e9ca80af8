/**
 * The results as tables.
 *
 * @module
 */

import { failureOf, findRow, isLoadBound, type Results, type Row, summaryOf } from "../results.ts";
import type { RuntimeId, ServerKind } from "../servers.ts";
import type { Workload } from "../workloads.ts";
import { formatCost, UNITS } from "./line.ts";

/** The tables of all runtimes. */
export function encodeMarkdown(results: Results): string {
  const runtimes = [...new Set(results.rows.map(({ server }) => server.runtime))];
  return runtimes.map((runtime) => encodeRuntime(results, runtime)).join("\n");
}

function encodeRuntime({ rows, runtimes }: Results, runtime: RuntimeId): string {
  const own = rows.filter(({ server }) => server.runtime === runtime);
  const servers = [...new Set(own.map(({ server }) => server))];
  const workloads = [...new Set(own.map(({ workload }) => workload))];
  const ratios = servers.some(({ family }) => family === "sluice")
    ? servers.filter(({ family }) => family !== "sluice")
    : [];
  const header = [
    runtimes[runtime],
    "unit",
    ...servers.map(({ title }) => title),
    ...ratios.map(({ title }) => `Sluice / ${title}`),
  ];
  const lines = workloads.map((workload) => {
    const find = (server: ServerKind) =>
      own.find((row) => row.workload === workload && row.server === server);
    return [
      workload.title,
      UNITS[workload.kind],
      ...servers.map((server) => encodeCell(workload, find(server))),
      ...ratios.map((server) => encodeRatio(own, find(server))),
    ];
  });
  const alignment = header.map((_, i) => i < 2 ? "---" : "--:");
  return [header, alignment, ...lines].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function encodeCell(workload: Workload, row: Row | undefined): string {
  if (row === undefined) return "";
  const cost = summaryOf(row, "cost");
  if (cost === undefined) return failureOf(row) ?? "";
  const format = (number: number) => formatCost(workload, number);
  const spread = row.rounds.length > 1 ? ` (${format(cost.min)}–${format(cost.max)})` : "";
  return `${format(cost.median)}${spread}${isLoadBound(row) ? " †" : ""}`;
}

/** The callback style's cost, divided by another server's. */
function encodeRatio(rows: Row[], other: Row | undefined): string {
  if (other === undefined) return "";
  const ours = findRow(rows, other, ({ words }) => words[0] === "sluice-callback");
  const ourCost = ours && summaryOf(ours, "cost"), otherCost = summaryOf(other, "cost");
  if (ourCost === undefined || otherCost === undefined) return "";
  return (ourCost.median / otherCost.median).toFixed(2);
}
