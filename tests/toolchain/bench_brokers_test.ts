// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type BrokerId, chooseCells } from "../../bench/brokers/candidates.ts";
import {
  chooseChartRows,
  describeReport,
  drawBrokers,
  encodeMarkdown,
} from "../../bench/brokers/report.ts";
import type { BrokerResults } from "../../bench/brokers/results.ts";
import type { BrokerReport, BrokerResult } from "../../bench/brokers/task.ts";

function result(changes: Partial<BrokerResult> = {}): BrokerReport {
  return {
    result: {
      rate: 5000,
      p50Us: 250,
      p99Us: 2500,
      serverUs: 100,
      brokerUs: 10,
      generatorLoad: 0.5,
      waiting: 0,
      ...changes,
    },
  };
}

const BOTH: ReadonlySet<BrokerId> = new Set<BrokerId>(["redis", "nats"]);

function resultsOf(only: string[], reports: (family: string) => BrokerReport[]): BrokerResults {
  const rows = chooseCells({ quick: false, only }, BOTH)
    .map((cell) => ({ ...cell, rounds: reports(cell.candidate.family) }));
  return { facts: "a machine", rounds: 1, rows };
}

describe("chooseCells()", () => {
  const namesOf = (only: string[], brokers = BOTH, quick = false) =>
    chooseCells({ quick, only }, brokers).map(({ candidate, shape }) =>
      `${candidate.family} ${candidate.runtime} ${candidate.broker} ${shape.id}`
    );

  it("chooses by words", () => {
    assertEquals(namesOf(["100x16", "bun,socket.io"]), [
      "socket.io node26 redis 100x16",
      "sluice bun redis 100x16",
      "sluice bun nats 100x16",
    ]);
    assertThrows(() => namesOf(["kafka"]), RangeError, 'there is no "kafka"');
  });

  it("leaves out brokers that are not there", () => {
    assert(namesOf([], new Set(["nats"])).every((name) => name.includes("nats")));
    assertThrows(() => namesOf(["socket.io"], new Set(["nats"])), RangeError, "nothing is left");
  });

  it("takes one runtime for a first look", () => {
    assert(namesOf([], BOTH, true).every((name) => name.includes("node26")));
  });
});

describe("the report of brokers", () => {
  const results = resultsOf(["100x1"], (family) => [
    result({ serverUs: family === "sluice" ? 100 : 200 }),
  ]);

  it("has a table for each load", () => {
    const text = encodeMarkdown(results);
    assertStringIncludes(text, "a machine.");
    assertStringIncludes(text, "## 100 subscribers, 1 on the way");
    assertStringIncludes(text, "| Sluice on Bun | NATS | 5,000 | 250 µs | 2.50 ms | 100 | 10.0 |");
  });

  it("says what failed, and when it was the generator that took the time", () => {
    const text = encodeMarkdown(resultsOf(["1x1"], (family) => [
      family === "sluice" ? result({ generatorLoad: 0.99 }) : { error: "no luck" },
    ]));
    assertStringIncludes(text, "| Socket.IO on Node | Redis | failed: no luck |");
    assertStringIncludes(text, "| 5,000 † |");
  });

  it("has the least and the most of several rounds", () => {
    const text = encodeMarkdown(
      resultsOf(["1x1"], () => [1, 2, 3].map((serverUs) => result({ serverUs }))),
    );
    assertStringIncludes(text, "| 2.00 (1.00–3.00) |");
  });

  it("is drawn beside Socket.IO", () => {
    const [row] = chooseChartRows(results);
    assertEquals(`${row.title}, ${row.subtitle}`, "To 100 subscribers, 1 on the way");
    assertEquals(row.cells[0].bars.slice(0, 2).map(({ name, label }) => `${name}: ${label}`), [
      "Socket.IO: 200 µs",
      "Node, Redis: 100 µs (0.50×)",
    ]);
    assertStringIncludes(drawBrokers(results), "Latency, median");
  });

  it("describes a round in a line", () => {
    assertStringIncludes(describeReport(result()), "5,000/s, p50 250 µs, p99 2.50 ms");
    assertEquals(describeReport({ error: "no luck" }), "failed: no luck");
  });
});
