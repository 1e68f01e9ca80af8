/**
 * Keeps what became of the cells, for `deno task interop` to write down.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { PeerRow, Role } from "./peers.ts";

/** What became of a scenario. */
export type Outcome = "passed" | "failed" | "known bug" | "skipped";

/** What became of a peer on a runtime. */
export interface CellRecord {
  role: Role;
  peer: string;
  /** The version of the peer, or `""` where it never told. */
  version: string;
  /** The runtime that ours ran on: its name and version. */
  runtime: string;
  outcomes: Record<string, Outcome>;
}

/** Names the runtime that this runs on. */
export function runtimeLabel(): string {
  const { deno, bun, node } = process.versions as Record<string, string>;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun === undefined ? `Node ${node}` : `Bun ${bun}`;
}

/** Where records are, from the repository's root. */
export const RECORDS_FOLDER = ".tmp/interop";

/** Writes the record of a cell, instead of that of the last run. */
export function writeRecord(
  { role, name }: PeerRow,
  version: string,
  outcomes: Record<string, Outcome>,
): void {
  const runtime = runtimeLabel();
  const folder = fileURLToPath(new URL(`../../../${RECORDS_FOLDER}/`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  const record: CellRecord = { role, peer: name, version, runtime, outcomes };
  const file = `${runtime} ${role} ${name}.json`.replaceAll(/[^\w.]+/g, "_");
  writeFileSync(folder + file, `${JSON.stringify(record)}\n`);
}
