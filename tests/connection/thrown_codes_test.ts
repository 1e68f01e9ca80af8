/**
 * What a connection closes with where a handler, a callback or a listener throws what says so.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { ConnectOptions } from "../../src/client/options.ts";
import type { ConnectionCallbacks } from "../../src/connection/connection.ts";
import { type Connection, type Handler, WebSocketError } from "../../src/server/mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";
import { assertEnd } from "../support/end.ts";
import { type Setup, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { FAILURES } from "./with_connection.ts";

type Fail = () => unknown;

/** The places where code of a program may fail; each does at the first text. */
const PLACES: Record<string, (fail: Fail) => Setup<unknown>> = {
  "a handler": (fail) => ({
    async handler(conn) {
      for await (const _message of conn) await fail();
    },
  }),
  "a loop over readable": (fail) => ({
    async handler(conn) {
      for await (const _message of conn.readable) await fail();
    },
  }),
  "a loop over messages()": (fail) => ({
    async handler(conn) {
      for await (const _message of conn.messages()) await fail();
    },
  }),
  "a sink": (fail) => ({
    handler: (conn) =>
      conn.readable.pipeTo(new WritableStream({ write: async () => void await fail() })),
  }),
  "a sink of a body": (fail) => ({
    async handler(conn) {
      for await (const { body } of conn.messages()) {
        await body.pipeTo(new WritableStream({ write: async () => void await fail() }));
      }
    },
  }),
  "a source": (fail) => ({
    handler: (conn) =>
      conn.readable.pipeThrough(new TransformStream({ transform: async () => void await fail() }))
        .pipeTo(conn.writable),
  }),
  "the callback open": (fail) => ({ open: fail }),
  "the callback message": (fail) => ({ message: fail }),
  "the callback ping": (fail) => ({ ping: fail }),
  "a listener": (fail) => ({
    async handler(conn) {
      conn.asWebSocket().onmessage = fail;
      await conn.closed;
    },
  }),
};

const WAYS: [name: string, fail: (error: unknown) => Fail][] = [
  ["throws", (error) => () => {
    throw error;
  }],
  ["rejects with", (error) => () => settle().then(() => Promise.reject(error))],
];

for (const { name, withServer } of TRANSPORTS) {
  describe(`a WebSocketError over ${name}`, () => {
    for (const [place, setup] of Object.entries(PLACES)) {
      for (const [what, error, status] of FAILURES) {
        it(`with ${what}, of ${place}, decides what is closed with, and is reported`, async () => {
          for (const [, fail] of WAYS) {
            await withServer(setup(fail(error)), async (server) => {
              const client = await server.open();
              client.sendText("a");
              client.sendPing();
              let frame = await client.readFrame();
              while (frame.opcode === 10) frame = await client.readFrame();
              const { opcode, payload } = frame;
              const text = new TextDecoder().decode(payload.subarray(2));
              assertEquals([opcode, payload[0] << 8 | payload[1], text], [8, ...status]);
              client.sendClose(status[0]);
              await client.finish();
              const errors: unknown[] = [];
              await eventually("a report", () => errors.push(...server.takeErrors()) > 0);
              assertEquals(errors, [error]);
            });
          }
        });
      }
    }
  });
}

describe("a WebSocketError at a client", () => {
  const error = new WebSocketError("m", { closeCode: 4001, reason: "mine" });

  for (const [way, fail] of WAYS) {
    for (const callback of ["open", "message", "ping"] as const) {
      it(`decides what is closed with, where the callback ${callback} ${way} it`, async () => {
        const errors: unknown[] = [];
        const options: ConnectOptions<unknown> & ConnectionCallbacks<unknown> = {
          [callback]: fail(error),
          onError: (error) => void errors.push(error),
        };
        const { server, client } = await connectedPair({ client: options });
        if (callback === "message") void server.send("a");
        if (callback === "ping") void server.ping();
        await assertEnd(server, { closeCode: 4001, reason: "mine", initiator: "remote" });
        assertEquals((await client.closed).closeCode, 4001);
        assertEquals(errors, [error]);
      });
    }
  }

  it("decides where a listener throws it", async () => {
    const errors: unknown[] = [];
    const { server, client } = await connectedPair({
      client: { onError: (error) => void errors.push(error) },
    });
    client.asWebSocket().onmessage = () => {
      throw error;
    };
    await server.send("a");
    assertEquals((await server.closed).closeCode, 4001);
    assertEquals(errors, [error]);
  });
});

describe("a WebSocketError of the callback close", () => {
  it("is reported", () => {
    const error = new WebSocketError("m", { closeCode: 4001 });
    const close: Handler = () => {
      throw error;
    };
    return TRANSPORTS[0].withServer({ close }, async (server) => {
      const { client, conn }: { client: unknown; conn: Connection } = await server.openPair();
      conn.abort();
      void client;
      assertEquals((await conn.closed).closeCode, 1006);
      assertEquals(server.takeErrors(), [error]);
    });
  });
});
