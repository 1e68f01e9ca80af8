import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { chooseCells } from "../../bench/clients/candidates.ts";
import { CLIENTS } from "../../bench/clients/open.ts";
import {
  type ClientResults,
  describeReport,
  drawClients,
  encodeMarkdown,
} from "../../bench/clients/report.ts";
import type { ClientReport, ClientTask } from "../../bench/clients/task.ts";
import { serve } from "../../mod.ts";

function result(cost: number, waiting = 0): ClientReport {
  return { result: { cost, rate: 1000, waiting } };
}

function resultsOf(
  only: string[],
  roundsOf: (client: ClientTask["client"]) => ClientReport[],
): ClientResults {
  const rows = chooseCells({ quick: false, only })
    .map((cell) => ({ ...cell, rounds: roundsOf(cell.client) }));
  return {
    ...{ date: "2026-01-02", machine: "a machine", pinning: "two cores", rounds: 3, seconds: 1 },
    runtimes: { node26: "Node 26", bun: "Bun 1", deno: "Deno 2" },
    packages: {},
    rows,
  };
}

describe("chooseCells() of clients", () => {
  const namesOf = (only: string[], quick = false) =>
    chooseCells({ quick, only }).map(({ load, runtime, client }) =>
      `${load.id} ${runtime} ${client}`
    );

  it("chooses by words", () => {
    assertEquals(namesOf(["connect", "node,deno"]), [
      "connect node26 sluice",
      "connect node26 ws",
      "connect node26 native",
      "connect deno sluice",
      "connect deno native",
    ]);
    assertThrows(() => namesOf(["curl"]), RangeError, 'there is no "curl"');
    assertThrows(() => namesOf(["bun", "ws"]), RangeError, "nothing is left");
  });

  it("leaves large messages out of a quick run", () => {
    assertEquals(namesOf(["bun", "binary"]).length, 4);
    assertThrows(() => namesOf(["bun", "binary"], true), RangeError, "nothing is left");
  });
});

describe("the report of clients", () => {
  const costs: Record<ClientTask["client"], number> = { sluice: 3, ws: 4, native: 6 };
  const results = resultsOf(
    ["64x1x32", "node"],
    (client) => [1, 0.5, 2].map((factor) => result(costs[client] * factor)),
  );

  it("has medians, their range, and ours by the best of the others", () => {
    const text = encodeMarkdown(results);
    assertStringIncludes(text, "| 64 × 1 × 32 B, text | Node | Sluice | 3.00 (1.50–6.00) | 0.75 |");
    assertStringIncludes(text, "| 64 × 1 × 32 B, text | Node | ws | 4.00 (2.00–8.00) |  |");
    assertStringIncludes(drawClients(results), "3.00 µs (0.75×)");
  });

  it("marks what was disturbed, and tells what failed", () => {
    const failed = resultsOf(
      ["64x1x32", "bun"],
      (client) => [client === "native" ? { error: "no route" } : result(1, 0.5)],
    );
    const text = encodeMarkdown(failed);
    assertStringIncludes(text, "| Sluice | 1.00 ‡ |");
    assertStringIncludes(text, "| built in | failed: no route |");
    assertStringIncludes(drawClients(failed), "failed");
    assertStringIncludes(describeReport(result(1, 0.5)), "DISTURBED");
  });
});

describe("the clients that are measured", () => {
  for (const client of Object.keys(CLIENTS) as ClientTask["client"][]) {
    it(`${client} sends, receives and closes`, async () => {
      const server = await serve({
        ...{ port: 0, hostname: "127.0.0.1" },
        message: (conn, data) => conn.send(data),
      });
      const open = await CLIENTS[client]();
      const { promise, resolve } = Promise.withResolvers<void>();
      const port = server.addr.transport === "tcp" ? server.addr.port : 0;
      const socket = await open(`ws://127.0.0.1:${port}/`, () => resolve());
      socket.send("a");
      await promise;
      await socket.close();
      await server.shutdown();
    });
  }
});
