/**
 * The table at the end of a soak.
 *
 * @module
 */

import type { Latency } from "../rig/honest/recorder.ts";
import { mib } from "../rig/scale.ts";
import type { SoakOf } from "./chart.ts";
import { median, ms } from "./words.ts";

const COLUMNS = [
  "runtime",
  "attacks",
  "honest",
  "1013",
  "echo p50",
  "p99",
  "max",
  "open p99",
  "longest wait",
  "large p99",
  "max",
  "in use",
  "RAM, median",
  "max",
  "timers",
  "descriptors",
  "problems",
];

/** Writes the table. */
export function encodeTable(soaks: (SoakOf & { problems: string[] })[]): string {
  const rows = [COLUMNS, ...soaks.map(encodeRow)];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
  ).join("\n");
}

function encodeRow({ label, measured, problems }: SoakOf & { problems: string[] }): string[] {
  const { before, moments, calms, honest, turnedAway, attacks } = measured;
  const latencies = Object.values(honest);
  const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0).toLocaleString("en");
  const none: Latency = { count: 0, p50: 0, p99: 0, max: 0 };
  const { echo = none, open = none, large = none } = honest;
  const first = calms[0] ?? before;
  const last = calms.at(-1) ?? before;
  const resident = moments.map(({ resident }) => resident);
  return [
    label,
    sum(Object.values(attacks)),
    sum(latencies.map(({ count }) => count)),
    String(turnedAway),
    ms(echo.p50),
    ms(echo.p99),
    ms(echo.max),
    ms(open.p99),
    ms(Math.max(0, ...moments.map(({ longest }) => longest.ms))),
    ms(large.p99),
    ms(large.max),
    `${mib(first.usedMemory)} → ${mib(last.usedMemory)}`,
    mib(median(resident)),
    mib(Math.max(0, ...resident)),
    `${first.timers} → ${last.timers}`,
    `${first.descriptors} → ${last.descriptors}`,
    String(problems.length),
  ];
}
