/**
 * All that was measured with brokers.
 *
 * @module
 */

import { summarize, type Summary } from "../harness/statistics.ts";
import type { BrokerCell } from "./candidates.ts";
import type { BrokerReport, BrokerResult } from "./task.ts";

/** The rounds of one pair under one load. */
export interface BrokerRow extends BrokerCell {
  rounds: BrokerReport[];
}

/** What was measured, and on what. */
export interface BrokerResults {
  /** The machine, the versions and so on, for people. */
  facts: string;
  rounds: number;
  rows: BrokerRow[];
}

/** Sums up one number of the rounds; `undefined` where none ended well. */
export function summaryOf({ rounds }: BrokerRow, name: keyof BrokerResult): Summary | undefined {
  const numbers = rounds.flatMap((report) => "result" in report ? [report.result[name]] : []);
  return numbers.length === 0 ? undefined : summarize(numbers);
}

/** Tells what went wrong, where something did. */
export function failureOf({ rounds }: BrokerRow): string {
  for (const report of rounds) if ("error" in report) return `failed: ${report.error}`;
  return "";
}
