/**
 * What is measured, and in which order.
 *
 * @module
 */

import { chooser } from "../harness/choice.ts";
import type { RuntimeId } from "../harness/programs.ts";
import { idOf, type ServerKind, SERVERS } from "./servers.ts";
import { SERVERS_SUITE, type Suite } from "./suite.ts";
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

/** In the quick run, the peers are those of the chart. */
function isQuick({ workload, server: { words: [id] } }: Cell, suite: Suite): boolean {
  return workload.quick &&
    (id === suite.ours || id === "sluice-callback" || id in suite.chart.names);
}

function listAllGroups(suite: Suite): Group[] {
  return WORKLOADS.flatMap((workload) =>
    RUNTIMES.map((runtime) =>
      SERVERS.filter((server) =>
        server.runtime === runtime && server.joins(workload) && suite.includes(workload, server)
      ).map((server) => ({ workload, server }))
    )
  );
}

/** Lists the words a cell is asked for by, a line for the servers and one for the workloads. */
export function listWords(suite: Suite = SERVERS_SUITE): string {
  const cells = listAllGroups(suite).flat();
  const workloads = cells.map(({ workload }) => workload);
  const unique = (words: string[]) => [...new Set(words)].join(", ");
  const lines = [
    ["runtimes", "node, bun, deno"],
    ["servers", unique(cells.flatMap(({ server }) => server.words))],
    ["workloads", unique(workloads.map(({ id }) => id))],
    ["payloads", unique(workloads.map(({ payload }) => payload))],
    [
      "kinds",
      unique(
        workloads.flatMap(({ kind, compression }) => compression ? [kind, "compression"] : [kind]),
      ),
    ],
    ["takeover", unique(workloads.flatMap(({ compression = [] }) => compression))],
  ];
  return lines.filter(([, words]) => words !== "")
    .map(([name, words]) => `${name.padEnd(11)}${words}`).join("\n");
}

/**
 * Lists the groups to measure.
 *
 * @throws {RangeError} Where nothing is left, or a word is unknown.
 */
export function listGroups({ quick, only }: Choice, suite: Suite = SERVERS_SUITE): Group[] {
  const all = listAllGroups(suite);
  const hasWords = chooser(only, all.flat(), wordsOf, () => listWords(suite));
  // What is asked for is measured, quick or not.
  const isChosen = (cell: Cell) =>
    (!quick || only.length > 0 || isQuick(cell, suite)) && hasWords(cell);
  const groups = all.map((group) => group.filter(isChosen)).filter(({ length }) => length > 0);
  if (groups.length === 0) throw new RangeError("--only leaves nothing to measure");
  return groups;
}
