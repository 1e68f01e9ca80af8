// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseCoreList } from "../../bench/harness/core_list.ts";
import type { LoadReport, LoadResult } from "../../bench/servers/load/result.ts";
import { listGroups } from "../../bench/servers/plan.ts";
import { drawChart } from "../../bench/harness/chart.ts";
import { chooseChartRows } from "../../bench/servers/report/chart_rows.ts";
import { encodeJson } from "../../bench/servers/report/json.ts";
import { encodeCosts, encodeMarkdown } from "../../bench/servers/report/markdown.ts";
import { formatNumber, formatSize } from "../../bench/harness/numbers.ts";
import type { Results } from "../../bench/servers/results.ts";
import { FAN_OUT_SUITE } from "../../bench/servers/suite.ts";
import { summarize } from "../../bench/harness/statistics.ts";

function result(changes: Partial<LoadResult> = {}): LoadReport {
  return {
    result: {
      cost: 10,
      isCpuTime: true,
      rate: 1000,
      wireRatio: 1,
      p50Us: 500,
      p99Us: 2500,
      peakMemory: 64 * 1024 * 1024,
      serverLoad: 1,
      generatorLoad: 0.5,
      waiting: 0,
      ...changes,
    },
  };
}

/** Results with the rounds of each server, by its name. */
function resultsOf(only: string[], rounds: Record<string, LoadReport[]>): Results {
  const cells = listGroups({ quick: false, only }).flat()
    .filter(({ server }) => server.words[0] in rounds);
  return {
    date: "2030-01-02",
    machine: "a machine",
    pinning: "not pinned",
    runtimes: { node26: "Node 26.0.0", bun: "Bun 1.0.0", deno: "Deno 2.0.0" },
    packages: { ws: "8.0.0" },
    rounds: 3,
    seconds: 1,
    rows: cells.map((cell) => ({ ...cell, rounds: rounds[cell.server.words[0]], detail: "" })),
  };
}

const ECHO = ["node", "64x1x32", "binary"];

describe("summarize()", () => {
  it("finds the median of odd and even counts, in any order", () => {
    assertEquals(summarize([3, 10, 2]), { median: 3, min: 2, max: 10 });
    assertEquals(summarize([4, 1, 2, 100]), { median: 3, min: 1, max: 100 });
  });

  it("refuses none", () => {
    assertThrows(() => summarize([]), RangeError);
  });
});

describe("parseCoreList()", () => {
  it("takes ranges and single cores", () => {
    assertEquals(parseCoreList("3"), [3]);
    assertEquals(parseCoreList("0-2,5,7-8"), [0, 1, 2, 5, 7, 8]);
  });
});

describe("formatNumber() and formatSize()", () => {
  it("give three digits that count", () => {
    assertEquals([0.1234, 5.678, 12.34, 123.4, 1755.2].map(formatNumber), [
      "0.123",
      "5.68",
      "12.3",
      "123",
      "1,755",
    ]);
    assertEquals([512, 2048, 3.5 * 1024 * 1024].map(formatSize), [
      "0.500 KiB",
      "2.00 KiB",
      "3.50 MiB",
    ]);
  });
});

describe("encodeCosts()", () => {
  it("gives medians, the spread and ratios", () => {
    const table = encodeCosts(resultsOf(ECHO, {
      "sluice-callback": [result({ cost: 8 }), result({ cost: 6 }), result({ cost: 9 })],
      "raw": [result({ cost: 5 }), result({ cost: 4 }), result({ cost: 5 })],
    }));
    assertEquals(
      table,
      "| Node 26.0.0 | Sluice, callback | raw TCP | Sluice / raw TCP |\n" +
        "| --- | --: | --: | --: |\n" +
        "| 64 × 1 × 32 B, binary | 8.00 (6.00–9.00) | 5.00 (4.00–5.00) | 1.60 |\n",
    );
  });

  it("says what was refused, what failed, and what the numbers are worth", () => {
    const table = encodeCosts(resultsOf(ECHO, {
      "sluice-callback": [result({ generatorLoad: 0.99, serverLoad: 0.5 })],
      "ws": [{ refusal: "closes with 1009" }],
      "crossws": [{ error: "boo" }],
      "raw": [result({ waiting: 0.9 })],
    }));
    assertStringIncludes(
      table,
      "| 10.0 † | refuses: closes with 1009 | failed: boo | 10.0 ‡ |  |  | 1.00 |",
    );
  });
});

describe("encodeMarkdown() and encodeJson()", () => {
  const results = resultsOf(ECHO, {
    "sluice-callback": [result()],
    "sluice-streams": [result({ cost: 25 })],
  });

  it("tell on what was measured", () => {
    const text = encodeMarkdown(results);
    for (const fact of ["a machine", "Bun 1.0.0", "ws 8.0.0", "2030-01-02", "CPU time"]) {
      assertStringIncludes(text, fact);
    }
    assertEquals(JSON.parse(encodeJson(results)).machine, "a machine");
  });

  it("compare the styles, and have the latency and the memory", () => {
    const text = encodeMarkdown(results);
    assertStringIncludes(text, "| 10.0 | 25.0 | 2.50 |");
    assertStringIncludes(text, "| 1,000 |  | 500 µs | 2.50 ms | 64.0 MiB |");
  });

  it("have what is left of compressed messages, and the memory that they take", () => {
    const text = encodeMarkdown(resultsOf(["node", "16x4x1k-takeover,memory-takeover"], {
      "sluice-callback": [result({ cost: 102_400, wireRatio: 0.2591 })],
      "ws": [result({ cost: 204_800 })],
    }));
    assertStringIncludes(text, "| 1,000 | 25.9 % | 500 µs |");
    assertStringIncludes(text, "KiB of one | 100 | 200 | 0.50 |");
  });

  it("compare compression that is not used with none, and not with styles", () => {
    const text = encodeMarkdown(resultsOf(ECHO, {
      "sluice-callback": [result()],
      "sluice-compression-not-offered": [result({ cost: 10.3 })],
      "sluice-compression-offered": [result({ cost: 10.1 })],
    }));
    const [styles, unused] = text.split("## Styles")[1].split("## Compression that is not used");
    assertEquals(styles.trim(), "");
    assertStringIncludes(unused, "| 10.0 | 10.3 | 10.1 | 1.03 | 1.01 |");
  });

  it("say so where it is not CPU time", () => {
    const text = encodeMarkdown(
      resultsOf(ECHO, { "sluice-callback": [result({ isCpuTime: false })] }),
    );
    assertStringIncludes(text, "does not tell the CPU time");
  });

  it("have the rounds in JSON", () => {
    const [first] = JSON.parse(encodeJson(results)).results;
    assertEquals(first.server, "node26/sluice-callback");
    assertEquals(first.workload.id, "64x1x32");
    assertEquals(first.rounds.length, 1);
  });
});

describe("the report of messages to many", () => {
  const cells = listGroups({ quick: false, only: ["bun"] }, FAN_OUT_SUITE).flat();
  const results: Results = {
    ...resultsOf(ECHO, {}),
    rows: cells.map((cell) => ({
      ...cell,
      rounds: [result({ cost: cell.server.family === "sluice" ? 6 : 5 })],
      detail: "",
    })),
  };

  it("compares publish with publish", () => {
    const text = encodeMarkdown(results, FAN_OUT_SUITE);
    assertStringIncludes(text, "# Messages to many");
    assertStringIncludes(text, '"Sluice, publish"');
    assertStringIncludes(
      text,
      "to 1,000 connections, 10 together, a delivery | 6.00 | 5.00 | 1.20 |",
    );
    assert(!text.includes("Styles"));
  });

  it("is drawn", () => {
    const rows = chooseChartRows(results, FAN_OUT_SUITE);
    assertEquals(rows.map(({ title, subtitle }) => `${title} ${subtitle}`), [
      "Fan-out of 1 KiB to 1,000; of one delivery",
      "Fan-out of 1 KiB to 1,000, 10 together",
      "Fan-out of 1 KiB to 1,000, from 10 senders",
      "Fan-out of 128 B to 1,000, 100 together",
      "Fan-out of 1 KiB to 10,000; of one delivery",
      "Fan-out of 1 KiB to 10,000, 10 together",
      "A Ping and its Pong 5,000 idle connections",
      "Memory of a connection subscribed to three topics",
      "Handshake and the end of the connection",
      "Memory of a connection 5,000 of them, idle",
    ]);
    assertEquals(rows[0].cells[0].bars.map(({ name, label }) => `${name} ${label}`), [
      "Sluice 6.00 µs (1.20×)",
      "Bun publish 5.00 µs",
    ]);
  });
});

describe("drawChart()", () => {
  const draw = (rounds: Record<string, LoadReport[]>) =>
    drawChart("A <title>", "and more", "made here", chooseChartRows(resultsOf(ECHO, rounds)));
  const widths = (svg: string) =>
    [...svg.matchAll(/<rect class="(ours|other)" [^>]*width="([\d.]+)"/g)]
      .map(([, kind, width]) => [kind, Number(width)]);

  it("draws ours beside the others, to scale", () => {
    const svg = draw({
      "sluice-callback": [result({ cost: 5 })],
      "ws": [result({ cost: 10 })],
      "raw": [result({ cost: 2.5 })],
    });
    assertEquals(widths(svg), [["ours", 40], ["other", 80], ["other", 20]]);
    for (const text of ["Sluice", "5.00 µs (0.50×)", "ws", "10.0 µs", "raw TCP", "Node 26.0.0"]) {
      assertStringIncludes(svg, `>${text}</text>`);
    }
  });

  it("cuts off what is too long, and says its number", () => {
    const svg = draw({
      "sluice-callback": [result({ cost: 10_000 })],
      "ws": [result({ cost: 10 })],
    });
    assertEquals(widths(svg), [["ours", 144], ["other", 80]]);
    assertStringIncludes(svg, "10,000 µs (1000.00×)");
  });

  it("has rows for compressed messages", () => {
    const rows = chooseChartRows(resultsOf(["node", "16x4x1k-takeover,memory-takeover"], {
      "sluice-callback": [result({ cost: 102_400 })],
    }));
    assertEquals(rows.map(({ title, subtitle }) => `${title}, ${subtitle}`), [
      "Echo of 1 KiB of JSON, with takeover; 16 × 4 in flight",
      "Memory of a connection, 1 KiB of JSON, with takeover",
    ]);
    assertEquals(rows[1].cells[0].bars[0].label, "100 KiB");
  });

  it("has a word for what was refused", () => {
    const svg = draw({ "sluice-callback": [result()], "ws": [{ refusal: "closes with 1009" }] });
    assertEquals(widths(svg).length, 1);
    assertStringIncludes(svg, ">refuses it</text>");
  });

  it("is well-formed, and follows the colors of the reader", () => {
    const svg = draw({ "sluice-callback": [result()] });
    assert(svg.startsWith("<svg ") && svg.endsWith("</svg>\n"));
    assertStringIncludes(svg, "A &lt;title>");
    assertStringIncludes(svg, "prefers-color-scheme: dark");
  });
});
