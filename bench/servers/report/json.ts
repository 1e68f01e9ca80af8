/**
 * The results as JSON: each round of each server.
 *
 * @module
 */

import { type Results, summaryOf } from "../results.ts";
import { idOf } from "../servers.ts";
import { isAboutMemory } from "../workloads.ts";
import { UNITS } from "./line.ts";

/** All numbers. */
export function encodeJson({ rows, ...facts }: Results): string {
  const results = rows.map((row) => ({
    workload: row.workload,
    server: idOf(row.server),
    title: row.server.title,
    detail: row.detail,
    unit: isAboutMemory(row.workload) ? "bytes/connection" : UNITS[row.workload.kind],
    cost: summaryOf(row, "cost"),
    rounds: row.rounds,
  }));
  return JSON.stringify({ ...facts, results }, null, 2) + "\n";
}
