// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import { PEER_ROWS, type PeerRow, type Role } from "../interop/matrix/peers.ts";
import type { CellRecord, Outcome } from "../interop/matrix/record.ts";
import { SCENARIOS } from "../interop/matrix/scenarios.ts";
import {
  interopDocument,
  interopSummary,
  type Matrix,
  replaceSummary,
} from "../../tools/interop_table.ts";

function readText(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** The first cell of each row of each table, without the heads. */
function firstCells(markdown: string): string[] {
  return markdown.split("\n")
    .filter((line, i, lines) => line.startsWith("|") && !lines[i + 1]?.startsWith("| ---"))
    .map((line) => line.split("|")[1].trim())
    .filter((cell) => !/^-+$/.test(cell));
}

const bug = { scenario: "pings", bug: "answers none" };
const rows: PeerRow[] = [
  { role: "client", name: "a", abilities: new Set(), bugs: [bug] },
  { role: "client", name: "b", abilities: new Set(["ping"]), bugs: [] },
  { role: "server", name: "a", abilities: new Set(), bugs: [bug] },
];

function record(role: Role, peer: string, runtime: string, outcomes: Outcome[]): CellRecord {
  const names = ["text", "pings"];
  return {
    role,
    peer,
    runtime,
    version: "1.2",
    outcomes: Object.fromEntries(outcomes.map((outcome, i) => [names[i], outcome])),
  };
}

const matrix: Matrix = {
  rows,
  scenarios: [{ name: "text" }, { name: "pings", needs: "ping" }],
  records: [
    record("client", "a", "Deno 1", ["passed", "known bug"]),
    record("client", "b", "Deno 1", ["passed", "failed"]),
    record("server", "a", "Deno 1", ["passed"]),
    record("client", "a", "Bun 1", ["passed", "passed"]),
    record("client", "b", "Bun 1", ["skipped", "skipped"]),
  ],
};

describe("the table of what was interoperated with", () => {
  const document = interopDocument(matrix, "2026-01-02");

  it("has a row for each peer, and a column for each runtime", () => {
    assertStringIncludes(document, "| Client of our server | Version | Deno 1 | Bun 1 |");
    assertStringIncludes(document, "| a | 1.2 | ✓ [1](#bugs-of-peers) | ✓ |");
    assertStringIncludes(document, "| b | 1.2 | ✗ | – |");
    assertStringIncludes(document, "| a | 1.2 | ✓ | – |");
  });

  it("names a bug once, and who is spared what", () => {
    assertEquals(document.split("answers none").length, 2);
    assertStringIncludes(document, "1. **a** (pings): answers none.");
    assertStringIncludes(document, "| pings | a | a | none |");
  });

  it("is in the README between its markers", () => {
    const summary = interopSummary(matrix);
    assertStringIncludes(summary, "| a | 1.2 | ✓ [1](docs/interop.md#bugs-of-peers) | ✓ |");
    const readme = readText("README.md");
    const replaced = replaceSummary(readme, summary);
    assertStringIncludes(replaced, summary);
    assertEquals(replaceSummary(replaced, summary), replaced);
    assertThrows(() => replaceSummary("nothing", summary), Error, "Cannot write");
  });

  it("is committed with the rows and scenarios that the tests have", () => {
    const peers = PEER_ROWS.map(({ name }) => name);
    const scenarios = SCENARIOS.map(({ name }) => name);
    assertEquals(firstCells(readText("docs/interop.md")), [...peers, ...scenarios]);
    const readme = readText("README.md");
    const tables = readme.slice(readme.indexOf("<!-- interop"), readme.indexOf("<!-- /interop"));
    assertEquals(firstCells(tables), peers);
  });
});
