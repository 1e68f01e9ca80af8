/**
 * One measurement in one line.
 *
 * @module
 */

import { isDisturbed, isGeneratorBound, type LoadReport } from "../load/result.ts";
import { isAboutMemory, type Workload, type WorkloadKind } from "../workloads.ts";
import { formatNumber, formatSize } from "../../harness/numbers.ts";

/** What the cost is counted in. */
export const UNITS: Record<WorkloadKind, string> = {
  "echo": "µs/message",
  "fan-out": "µs/delivery",
  "handshake": "µs/handshake",
  "idle": "KiB/connection",
  "subscribed": "KiB/connection",
  "memory": "KiB/connection",
  "large": "µs/MiB",
  "keep-alive": "µs/ping",
};

/** The cost for people, without its unit. */
export function formatCost(workload: Workload, cost: number): string {
  return formatNumber(isAboutMemory(workload) ? cost / 1024 : cost);
}

/** What is left on the wire of compressed messages, for people. */
export function formatWireRatio(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

/** Says what came of one round. */
export function describeReport(workload: Workload, report: LoadReport): string {
  if ("error" in report) return `failed: ${report.error}`;
  if ("refusal" in report) return `refuses: ${report.refusal}`;
  const { cost, rate, wireRatio, p50Us, p99Us, peakMemory, serverLoad, generatorLoad } =
    report.result;
  const parts = [`${formatCost(workload, cost)} ${UNITS[workload.kind]}`];
  if (workload.compression !== undefined) parts.push(`${formatWireRatio(wireRatio)} on the wire`);
  if (p50Us > 0) {
    parts.push(`${formatNumber(rate)}/s`);
    parts.push(`p50 ${formatNumber(p50Us)} µs, p99 ${formatNumber(p99Us)} µs`);
    const percent = (load: number) => `${(load * 100).toFixed(0)} %`;
    parts.push(`CPU ${percent(serverLoad)}, generator's ${percent(generatorLoad)}`);
    if (isGeneratorBound(report.result)) parts.push("load-bound");
    if (isDisturbed(report.result)) parts.push("DISTURBED by other processes");
  }
  parts.push(`peak ${formatSize(peakMemory)}`);
  return parts.join(", ");
}
