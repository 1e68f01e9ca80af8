/**
 * Writes down what the tests of `tests/interop/matrix/` recorded, as Markdown.
 *
 * @module
 */

import type { PeerBug, PeerRow, Role } from "../tests/interop/matrix/peers.ts";
import type { CellRecord } from "../tests/interop/matrix/record.ts";
import type { Scenario } from "../tests/interop/matrix/scenarios.ts";

/** What there is to write down. */
export interface Matrix {
  rows: readonly PeerRow[];
  scenarios: readonly Pick<Scenario, "name" | "needs">[];
  records: readonly CellRecord[];
}

/** The tables in their order, and what the first column of each is called. */
const SECTIONS: [role: Role, column: string][] = [
  ["client", "Client of our server"],
  ["server", "Server of our client"],
  ["proxy", "Proxy in front of our server"],
];

const PASSED = "✓";
const FAILED = "✗";
const NOT_TRIED = "–";

function tableOf(cells: string[][]): string {
  const [head, ...rows] = cells.map((row) => `| ${row.join(" | ")} |`);
  return [head, `|${" --- |".repeat(cells[0].length)}`, ...rows].join("\n");
}

/** Names the runtimes that there are records of, in the order that they came. */
function runtimesOf(records: readonly CellRecord[]): string[] {
  return [...new Set(records.map(({ runtime }) => runtime))];
}

function recordOf({ records }: Matrix, { role, name }: PeerRow, runtime: string) {
  return records.find((record) =>
    record.role === role && record.peer === name && record.runtime === runtime
  );
}

/** Tells what became of a cell, but for known bugs. */
function outcomeOf(record: CellRecord | undefined): string {
  const outcomes = Object.values(record?.outcomes ?? {});
  if (outcomes.includes("failed")) return FAILED;
  if (outcomes.length === 0 || outcomes.includes("skipped")) return NOT_TRIED;
  return PASSED;
}

function versionOf({ records }: Matrix, { role, name }: PeerRow): string {
  const versions = records
    .filter((record) => record.role === role && record.peer === name && record.version !== "")
    .map(({ version }) => version);
  return [...new Set(versions)].join(", ");
}

/** The bugs of peers, numbered: a bug that two rows share has one number. */
function numberBugs(rows: readonly PeerRow[]): Map<PeerBug, number> {
  const bugs = new Set(rows.flatMap(({ bugs }) => bugs));
  return new Map([...bugs].map((bug, i) => [bug, i + 1]));
}

function sectionsOf(matrix: Matrix, bugsUrl: string): string {
  const runtimes = runtimesOf(matrix.records);
  const numbers = numberBugs(matrix.rows);
  return SECTIONS.map(([role, column]) => {
    const rows = matrix.rows.filter((row) => row.role === role).map((row) => [
      row.name,
      versionOf(matrix, row) || NOT_TRIED,
      ...runtimes.map((runtime) => {
        const record = recordOf(matrix, row, runtime);
        const seen = row.bugs.filter(({ scenario }) => record?.outcomes[scenario] === "known bug");
        const links = seen.map((bug) => `[${numbers.get(bug)}](${bugsUrl})`);
        return [outcomeOf(record), ...links].join(" ");
      }),
    ]);
    return tableOf([[column, "Version", ...runtimes], ...rows]);
  }).join("\n\n");
}

function bugsOf({ rows }: Matrix): string {
  return [...numberBugs(rows)].map(([bug, number]) => {
    const peers = rows.filter(({ bugs }) => bugs.includes(bug)).map(({ name }) => name);
    return `${number}. **${[...new Set(peers)].join(", ")}** (${bug.scenario}): ${bug.bug}.`;
  }).join("\n");
}

function scenariosOf({ rows, scenarios }: Matrix): string {
  const lacking = scenarios.map(({ name, needs }) => [
    name,
    ...SECTIONS.map(([role]) => {
      const spared = rows.filter((row) =>
        row.role === role && needs !== undefined && !row.abilities.has(needs)
      );
      return spared.map(({ name }) => name).join("; ") || "none";
    }),
  ]);
  return tableOf([
    ["Scenario", "Skipped for clients", "For servers", "For proxies"],
    ...lacking,
  ]);
}

/** Writes the whole document. */
export function interopDocument(matrix: Matrix, date: string): string {
  return `# Interoperability

Written by \`deno task interop\` on ${date}; the tests are in \`tests/interop/matrix/\`, and run with
all others. The columns are the runtimes that Sluice ran on. ${PASSED}: everything that the peer supports
passed; with a number: except for a bug of the peer. ${FAILED}: something failed. ${NOT_TRIED}: not tried.

${sectionsOf(matrix, "#bugs-of-peers")}

## Bugs of peers

The tests assert the bugs of peers, and fail when one is gone.

${bugsOf(matrix) || "None."}

## Scenarios

A scenario is skipped for peers whose library does not support it.

${scenariosOf(matrix)}
`;
}

/** Writes the tables of the README. */
export function interopSummary(matrix: Matrix): string {
  return sectionsOf(matrix, "docs/interop.md#bugs-of-peers");
}

const START = "<!-- interop: written by `deno task interop` -->";
const END = "<!-- /interop -->";

/** Puts the tables of the README between their markers. */
export function replaceSummary(readme: string, summary: string): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) {
    throw new Error(`Cannot write the tables into the README: it has no ${START} ... ${END}`);
  }
  return `${readme.slice(0, start + START.length)}\n\n${summary}\n\n${readme.slice(end)}`;
}
