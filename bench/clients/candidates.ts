/**
 * The clients that are measured, and under which load.
 *
 * @module
 */

import { chooser } from "../harness/choice.ts";
import type { RuntimeId } from "../harness/programs.ts";
import type { ClientTask, Load } from "./task.ts";

/** A client on a runtime. */
export interface Candidate {
  client: ClientTask["client"];
  runtime: RuntimeId;
}

/** One client under one load. */
export interface ClientCell extends Candidate {
  load: Load;
}

const RUNTIMES: readonly RuntimeId[] = ["node26", "bun", "deno"];

/** All clients; in each round those of a runtime take turns in this order. `ws` is for Node only. */
const CANDIDATES: readonly Candidate[] = RUNTIMES.flatMap((runtime) =>
  (["sluice", "ws", "native"] as const)
    .filter((client) => client !== "ws" || runtime === "node26")
    .map((client) => ({ client, runtime }))
);

const KIB = 1024;

/** The loads. */
export const LOADS: readonly Load[] = [
  {
    ...{ id: "64x1x32", title: "64 × 1 × 32 B, text", kind: "echo", payload: "ascii" },
    ...{ connections: 64, inFlight: 1, size: 32 },
  },
  {
    ...{ id: "8x64x32", title: "8 × 64 × 32 B, text", kind: "echo", payload: "ascii" },
    ...{ connections: 8, inFlight: 64, size: 32 },
  },
  {
    ...{ id: "4x4x64K", title: "4 × 4 × 64 KiB, binary", kind: "echo", payload: "binary" },
    ...{ connections: 4, inFlight: 4, size: 64 * KIB },
  },
  {
    ...{ id: "2x1x1M", title: "2 × 1 × 1 MiB, binary", kind: "echo", payload: "binary" },
    ...{ connections: 2, inFlight: 1, size: KIB * KIB },
  },
  {
    ...{ id: "connect", title: "connect, then close", kind: "connect", payload: "ascii" },
    ...{ connections: 8, inFlight: 0, size: 0 },
  },
];

const CLIENT_NAMES: Record<ClientTask["client"], string> = {
  sluice: "Sluice",
  ws: "ws",
  native: "built in",
};
const RUNTIME_NAMES: Record<RuntimeId, string> = { node26: "Node", bun: "Bun", deno: "Deno" };

/** Names for people: of the client, and of its runtime. */
export function namesOf({ client, runtime }: Candidate): [client: string, runtime: string] {
  return [CLIENT_NAMES[client], RUNTIME_NAMES[runtime]];
}

function wordsOf({ client, runtime, load }: ClientCell): string[] {
  return [client, runtime === "node26" ? "node" : runtime, load.id, load.payload];
}

function listCells(): ClientCell[] {
  return LOADS.flatMap((load) => CANDIDATES.map((candidate) => ({ ...candidate, load })));
}

/** Lists the words that `--only` knows. */
export function listWords(): string {
  return [...new Set(listCells().flatMap(wordsOf))].join(", ");
}

/**
 * Chooses what is measured.
 *
 * @throws {RangeError} If nothing is left, or a word is unknown.
 */
export function chooseCells(
  { quick, only }: { quick: boolean; only: string[] },
): ClientCell[] {
  const all = listCells();
  const isChosen = chooser(only, all, wordsOf, listWords);
  const cells = all.filter((cell) => (!quick || cell.load.size <= 32) && isChosen(cell));
  if (cells.length === 0) throw new RangeError("nothing is left to measure");
  return cells;
}
