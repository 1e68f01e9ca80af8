/**
 * One measurement in one line.
 *
 * @module
 */

import type { LoadReport } from "../load/result.ts";
import type { Workload, WorkloadKind } from "../workloads.ts";
import { formatNumber, formatSize } from "./numbers.ts";

/** What the cost is counted in. */
export const UNITS: Record<WorkloadKind, string> = {
  "echo": "µs/message",
  "fan-out": "µs/delivery",
  "handshake": "µs/handshake",
  "idle": "KiB/connection",
  "large": "µs/MiB",
};

/** The cost for people, without its unit. */
export function formatCost({ kind }: Workload, cost: number): string {
  return formatNumber(kind === "idle" ? cost / 1024 : cost);
}

/** Says what came of one round. */
export function describeReport(workload: Workload, report: LoadReport): string {
  if ("error" in report) return `failed: ${report.error}`;
  if ("refusal" in report) return `refuses: ${report.refusal}`;
  const { cost, rate, p50Us, p99Us, peakMemory, serverLoad, generatorLoad } = report.result;
  const parts = [`${formatCost(workload, cost)} ${UNITS[workload.kind]}`];
  if (workload.kind !== "idle") {
    parts.push(`${formatNumber(rate)}/s`);
    if (p50Us > 0) parts.push(`p50 ${formatNumber(p50Us)} µs, p99 ${formatNumber(p99Us)} µs`);
    parts.push(
      `CPU ${(serverLoad * 100).toFixed(0)} % / load ${(generatorLoad * 100).toFixed(0)} %`,
    );
  }
  parts.push(`peak ${formatSize(peakMemory)}`);
  return parts.join(", ");
}
