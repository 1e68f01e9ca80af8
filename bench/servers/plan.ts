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
  return [...server.words, idOf(server), ...runtime, workload.id, workload.kind, workload.payload]
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
    if (known.has(word)) continue;
    throw new RangeError(`there is no "${word}"; the words are ${[...known].join(", ")}`);
  }
  const isChosen = (cell: Cell) => {
    const words = wordsOf(cell);
    return choices.every((choice) => choice.some((word) => words.includes(word)));
  };
  const groups = all
    // Who asks for something gets it, quick or not.
    .map((group) =>
      group.filter((cell) => isChosen(cell) && (!quick || isQuick(cell) || only.length > 0))
    )
    .filter((group) => group.length > 0);
  if (groups.length === 0) throw new RangeError("--only leaves nothing to measure");
  return groups;
}
