// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { RuntimeTally, summaryTable } from "../../tools/tally.ts";

function passed(name: string) {
  return { name, outcome: "passed", detail: "" } as const;
}

function skipped(name: string, detail = "") {
  return { name, outcome: "skipped", detail } as const;
}

const FAILURE = `\x1b[31mAssertionError\x1b[0m: boo\n\n    at a_test.ts:3\n${"x".repeat(1000)}`;

describe("summaryTable()", () => {
  const deno = new RuntimeTally("Deno 2.0.0", 1);
  deno.add({
    file: "tests/a_test.ts",
    tests: [passed("one"), skipped("two"), { name: "three", outcome: "failed", detail: FAILURE }],
    skipReasons: ["needs a browser"],
    report: "",
    tookMs: 2_000,
  });
  const node = new RuntimeTally("Node 22.0.0", 1);
  node.add({
    file: "tests/a_test.ts",
    tests: [passed("one"), skipped("two", "needs Chromium"), passed("three")],
    skipReasons: ["needs a browser"],
    report: "",
    tookMs: 1_000,
  });
  const lines = summaryTable([deno, node], 2_500).split("\n");

  it("gives one line for a skipped test: the reason, and where", () => {
    const line = "skipped: tests/a_test.ts > two: needs Chromium (Deno 2.0.0, Node 22.0.0)";
    assertEquals(lines.filter((line) => line.startsWith("skipped:")), [line]);
  });

  it("names the failed tests, with the first 300 characters of what they said", () => {
    const said = `AssertionError: boo at a_test.ts:3 ${"x".repeat(265)}`;
    const line = `failed: tests/a_test.ts > three (Deno 2.0.0): ${said}`;
    assertEquals(lines.filter((line) => line.startsWith("failed:")), [line]);
  });

  it("names the slowest files, with the time on each runtime", () => {
    assertEquals(lines.at(-8), "slowest: tests/a_test.ts (2.0 s, 1.0 s)");
  });

  it("has a row for each runtime, and ends with the time and the sum", () => {
    assertMatch(lines.at(-6)!, /^runtime +passed +failed +skipped +time in files$/);
    assertMatch(lines.at(-5)!, /^Deno 2\.0\.0 +1 +1 +1 +2\.0 s$/);
    assertMatch(lines.at(-4)!, /^Node 22\.0\.0 +2 +0 +1 +1\.0 s$/);
    assertEquals(lines.at(-2), "took 2.5 s");
    assertEquals(lines.at(-1), "3 passed, 1 failed");
  });
});
