import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import type { Server, ServerConnection } from "../../src/server/mod.ts";
import { streamOf } from "../support/stream_of.ts";
import { withConnection } from "../support/transports.ts";

type Running = { conn: ServerConnection; server: Server };

/** Calls whose options are wrong; that they throw for whatever is wrong: `options/options_test.ts`. */
const CALLS: Record<string, (running: Running, options: object) => unknown> = {
  send: ({ conn }, options) => conn.send("x", options),
  sendStream: ({ conn }, options) => conn.sendStream("text", streamOf("x"), options),
  ping: ({ conn }, options) => conn.ping(options),
  close: ({ conn }, options) => conn.close(options),
  subscribe: ({ conn }, options) => conn.subscribe("news", options),
  publish: ({ server }, options) => server.publish("news", "x", options),
  shutdown: ({ server }, options) => server.shutdown(options),
};

describe("the options of a call", () => {
  for (const [name, call] of Object.entries(CALLS)) {
    it(`are refused where they are wrong, and nothing is done: ${name}`, () =>
      withConnection({}, async ({ server: harness, client, conn }) => {
        const running = { conn, server: harness.server };
        assertThrows(() => call(running, { code: 4001 }), TypeError, `${name}.code`);
        assertThrows(() => call(running, { signal: 1, compress: 1, closeCode: "1" }), TypeError);
        assertEquals([conn.state, [...conn.topics]], ["open", []]);
        assertEquals(conn.stats().messagesSent, 0);
        await conn.send("still here");
        assertEquals(await client.readMessage(), "still here");
      }));
  }
});
