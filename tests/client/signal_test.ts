import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Message } from "../../src/connection/connection.ts";
import { assertIsClosedError } from "../connection/with_connection.ts";
import { eventually } from "../support/waiter.ts";
import { NETWORKS, type Ways } from "./networks.ts";

for (const [name, createNetwork] of NETWORKS) {
  describe(`the signal of a client over ${name}`, () => {
    /** Runs a server that sends two messages, and closes. */
    const withServer = async (
      body: (url: string, ways: Ways) => Promise<void>,
    ): Promise<void> => {
      const ways = createNetwork();
      const server = await ways.serve({ port: 0, hostname: "127.0.0.1" }, async (conn) => {
        await conn.send("a");
        await conn.send("b");
        conn.close({ closeCode: 4000, reason: "bye" });
        await conn.closed;
      });
      const port = server.addr.transport === "tcp" ? server.addr.port : 0;
      await body(`ws://127.0.0.1:${port}/`, ways);
      await server.shutdown();
    };

    it("aborts at the server's Close frame while a callback is at work", () =>
      withServer(async (url, { connect }) => {
        const handled: Message[] = [];
        const gate = Promise.withResolvers<void>();
        const conn = await connect(url, {
          async message(_conn, data) {
            await gate.promise;
            handled.push(data);
          },
        });
        await eventually("the signal to abort", () => conn.signal.aborted);
        assertIsClosedError(conn.signal.reason, 4000, "bye");
        assertEquals([conn.state, handled], ["closing", []]);
        gate.resolve();
        const { closeCode, wasClean } = await conn.closed;
        assertEquals([closeCode, wasClean, handled], [4000, true, ["a", "b"]]);
      }));

    it("is one for each connection of reconnecting()", () =>
      withServer(async (url, { reconnecting }) => {
        const signals: AbortSignal[] = [];
        const stop = new AbortController();
        const options = { signal: stop.signal, minDelayMs: 1, maxDelayMs: 1 };
        for await (const conn of reconnecting(url, options)) {
          signals.push(conn.signal);
          for await (const _ of conn) {
            await eventually("the signal to abort", () => conn.signal.aborted);
            assertIsClosedError(conn.signal.reason, 4000, "bye");
          }
          if (signals.length === 2) break;
        }
        assertEquals(new Set(signals).size, 2);
      }));
  });
}
