/**
 * What is measured, and in which order.
 *
 * @module
 */

import { idOf, type RuntimeId, type ServerKind, SERVERS } from "./servers.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

/** One workload for one server. */
export interface Cell {
  workload: Workload;
  server: ServerKind;
}

/** What runs in turns: the same workload for the servers of one runtime. */
export type Group = Cell[];

/** What to choose of all there is. */
export interface Choice {
  quick: boolean;
  /** Each is words with commas between them, of which a cell has to have one. */
  only: string[];
}

const RUNTIMES: RuntimeId[] = ["node26", "bun", "deno"];

/** The words a cell is asked for by. */
function wordsOf({ workload, server }: Cell): string[] {
  const runtime = server.runtime === "node26" ? ["node26", "node"] : [server.runtime];
  const { id, kind, payload, compression } = workload;
  const words = compression === undefined ? [] : ["compression", compression];
  return [...server.words, idOf(server), ...runtime, id, kind, payload, ...words]
    .map((word) => word.toLowerCase());
}

/** In the quick run, the peers are those the aims are about. */
function isQuick({ workload, server }: Cell): boolean {
  if (!workload.quick) return false;
  return ["sluice-callback", "ws", "bun-serve", "deno-upgrade", "raw"].includes(server.words[0]);
}

function listAllGroups(): Group[] {
  return WORKLOADS.flatMap((workload) =>
    RUNTIMES.map((runtime) =>
      SERVERS.filter((server) => server.runtime === runtime && server.joins(workload))
        .map((server) => ({ workload, server }))
    )
  );
}

/** Lists the words a cell is asked for by, a line for the servers and one for the workloads. */
export function listWords(): string {
  const unique = (words: string[]) => [...new Set(words)].join(", ");
  return `runtimes   node, bun, deno
servers    ${unique(SERVERS.flatMap(({ words }) => words))}
workloads  ${unique(WORKLOADS.map(({ id }) => id))}
payloads   ${unique(WORKLOADS.map(({ payload }) => payload))}
kinds      ${unique(WORKLOADS.map(({ kind }) => kind))}, compression
takeover   ${unique(WORKLOADS.flatMap(({ compression = [] }) => compression))}`;
}

/**
 * Lists the groups to measure.
 *
 * @throws {RangeError} Where nothing is left, or a word is unknown.
 */
export function listGroups({ quick, only }: Choice): Group[] {
  const all = listAllGroups();
  const choices = only.map((words) => words.toLowerCase().split(",").map((word) => word.trim()));
  const known = new Set(all.flat().flatMap(wordsOf));
  for (const word of choices.flat()) {
    if (!known.has(word)) throw new RangeError(`--only: there is no "${word}"\n${listWords()}`);
  }
  const isChosen = (cell: Cell) => {
    const words = wordsOf(cell);
    // Who asks for something gets it, quick or not.
    return (!quick || only.length > 0 || isQuick(cell)) &&
      choices.every((choice) => choice.some((word) => words.includes(word)));
  };
  const groups = all.map((group) => group.filter(isChosen)).filter(({ length }) => length > 0);
  if (groups.length === 0) throw new RangeError("--only leaves nothing to measure");
  return groups;
}
