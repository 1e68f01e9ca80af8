import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import type { Server, ServerConnection } from "../../src/server/mod.ts";
import { streamOf } from "../support/stream_of.ts";
import { withConnection } from "../support/transports.ts";

// deno-lint-ignore no-explicit-any
type Call = (running: { conn: ServerConnection; server: Server }, options: any) => unknown;

const CALLS: [name: string, call: Call, known: string][] = [
  ["send", ({ conn }, options) => conn.send("x", options), "signal, compress"],
  [
    "sendStream",
    ({ conn }, options) => conn.sendStream("text", streamOf("x"), options),
    "signal, compress",
  ],
  ["ping", ({ conn }, options) => conn.ping(options), "signal"],
  ["close", ({ conn }, options) => conn.close(options), "closeCode, reason"],
  [
    "subscribe",
    ({ conn }, options) => conn.subscribe("news", options),
    "presence, lag, queueSize, closeCode",
  ],
  [
    "publish",
    ({ server }, options) => server.publish("news", "x", options),
    "except, compress, key",
  ],
  [
    "shutdown",
    ({ server }, options) => server.shutdown(options),
    "closeCode, reason, spreadMs, timeoutMs",
  ],
];

describe("the options of a call", () => {
  for (const [name, call, known] of CALLS) {
    it(`are refused where they are wrong, and nothing is done: ${name}`, () =>
      withConnection({}, async ({ server: harness, client, conn }) => {
        const running = { conn, server: harness.server };
        for (const wrong of [4001, "mine", true, null]) {
          const error = assertThrows(() => call(running, wrong), TypeError);
          assertEquals(error.message.includes(known), true, error.message);
        }
        const error = assertThrows(() => call(running, { code: 4001 }), TypeError);
        assertEquals(error.message.includes(`${name}.code`), true, error.message);
        assertEquals(error.message.includes(known), true, error.message);
        assertEquals([conn.state, [...conn.topics]], ["open", []]);
        await conn.send("still here");
        assertEquals(await client.readMessage(), "still here");
      }));
  }

  it("may be there and undefined", () =>
    withConnection({}, async ({ server: harness, client, conn }) => {
      await conn.send("a", { signal: undefined, compress: undefined });
      await conn.sendStream("text", streamOf("b"), { signal: undefined });
      conn.subscribe("news", { lag: undefined, presence: undefined });
      harness.server.publish("news", "c", { except: undefined, key: undefined });
      for (const expected of ["a", "b", "c"]) assertEquals(await client.readMessage(), expected);
      void conn.close({ closeCode: undefined, reason: undefined });
      assertEquals(await client.readClose(), [1000, ""]);
    }));

  it("are refused where a value is of another type, and nothing is sent", () =>
    withConnection({}, async ({ server: harness, client, conn }) => {
      const wrong = [{ signal: null }, { signal: new AbortController() }, { compress: 1 }];
      for (const options of wrong as object[]) {
        assertThrows(() => conn.send("x", options), TypeError);
        assertThrows(() => conn.sendStream("text", streamOf("x"), options), TypeError);
      }
      assertThrows(() => conn.ping({ signal: null } as object), TypeError);
      assertThrows(() => harness.server.publish("a", "x", { compress: 1 } as object), TypeError);
      assertEquals(conn.stats().messagesSent, 0);
      await conn.send("y");
      assertEquals(await client.readMessage(), "y");
    }));
});
