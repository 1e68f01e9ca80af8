/**
 * All that was measured.
 *
 * @module
 */

import { isDisturbed, isGeneratorBound, type LoadReport, type LoadResult } from "./load/result.ts";
import type { Cell } from "./plan.ts";
import { isAboutMemory } from "./workloads.ts";
import type { Facts } from "../harness/prepare.ts";
import type { ServerKind } from "./servers.ts";
import { summarize, type Summary } from "../harness/statistics.ts";

/** The rounds of one workload for one server. */
export interface Row extends Cell {
  rounds: LoadReport[];
  /** What the server told of itself. */
  detail: string;
}

/** What was measured, and on what. */
export interface Results extends Facts {
  rows: Row[];
}

/** The rounds that ended well. */
export function resultsOf({ rounds }: Row): LoadResult[] {
  return rounds.flatMap((report) => "result" in report ? [report.result] : []);
}

/** The numbers of a result that are summed up. */
export type SummedNumber = "cost" | "rate" | "wireRatio" | "p50Us" | "p99Us" | "peakMemory";

/** Sums up one number of the rounds; `undefined` where none ended well. */
export function summaryOf(row: Row, name: SummedNumber): Summary | undefined {
  const numbers = resultsOf(row).map((result) => result[name]);
  return numbers.length === 0 ? undefined : summarize(numbers);
}

/** Tells what went wrong, where something did. */
export function failureOf({ rounds }: Row): string | undefined {
  for (const report of rounds) {
    if ("refusal" in report) return `refuses: ${report.refusal}`;
    if ("error" in report) return `failed: ${report.error}`;
  }
  return undefined;
}

/** Tells whether the generator was what took the time, in any of the rounds. */
export function isLoadBound(row: Row): boolean {
  return resultsOf(row).some(isGeneratorBound);
}

/** Tells whether other processes took much of the cores, in most of the rounds. */
export function isMostlyDisturbed(row: Row): boolean {
  const results = isAboutMemory(row.workload) ? [] : resultsOf(row);
  return results.filter(isDisturbed).length > results.length / 2;
}

/** Finds a server's row for the same workload, on the same runtime. */
export function findRow(
  rows: Row[],
  like: Row,
  isWanted: (server: ServerKind) => boolean,
): Row | undefined {
  return rows.find(({ workload, server }) =>
    workload === like.workload && server.runtime === like.server.runtime && isWanted(server)
  );
}
