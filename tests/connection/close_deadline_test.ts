// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { CloseInfo } from "../../src/server/mod.ts";
import { closeFrame, textFrame } from "../support/raw_client.ts";
import { type MemoryEnds, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

/** Opens a connection that has 700 ms to close, and no other timers. */
function withDeadline(body: (ends: MemoryEnds) => Promise<void>): Promise<void> {
  return withConnection({ closeTimeoutMs: 700, keepAlive: false }, body);
}

/** Clients that don't let a connection end, and how it is told of. */
const CLIENTS: [
  name: string,
  act: (ends: MemoryEnds) => Promise<unknown>,
  info: Partial<CloseInfo>,
][] = [
  ["does not answer a Close frame", ({ client, conn }) => {
    void conn.close({ closeCode: 4000 });
    return client.readClose();
  }, { closeCode: 4000, wasClean: false, initiator: "local" }],
  ["answers, and does not end TCP", ({ client, conn }) => {
    void conn.close();
    client.sendClose(1000);
    return client.readToEnd();
  }, { closeCode: 1000, wasClean: true, initiator: "local" }],
  ["began, and does not end TCP", ({ client }) => {
    client.sendClose(4000);
    return client.readToEnd();
  }, { closeCode: 4000, wasClean: true, initiator: "remote" }],
  ["broke the protocol, and does not end TCP", ({ client }) => {
    client.send(Uint8Array.of(0xff, 0xff));
    return client.readClose();
  }, { closeCode: 1002, wasClean: false, initiator: "local" }],
  ["does not read the Close frame", ({ client, conn }) => {
    client.socket.pause();
    void conn.send("x".repeat(100_000));
    void conn.close({ closeCode: 4000 });
    return settle();
  }, { closeCode: 4000, wasClean: false }],
  ["ends TCP, and does not read", async ({ client, conn }) => {
    client.socket.pause();
    void conn.send("x".repeat(100_000));
    await settle();
    client.socket.end();
  }, { closeCode: 1006, wasClean: false, initiator: "remote" }],
  ["closes behind messages that were not handled in time", async ({ client, clock }) => {
    client.send(textFrame("a"), closeFrame(4000));
    // Once for the program, which may still answer, and once for the client.
    await clock.advance(700);
    assertEquals(await client.readClose(), [4000, ""]);
  }, { closeCode: 4000, wasClean: true }],
];

/** What goes on meanwhile, every 100 ms. */
const TRAFFIC: [name: string, act: (ends: MemoryEnds) => void][] = [
  ["messages and Pings", ({ client }) => {
    client.sendText("more");
    client.sendPing();
  }],
  ["close() called again", ({ conn }) => void conn.close()],
  ["a client that reads a byte at a time", ({ client, conn }) => {
    client.socket.pause();
    if (conn.bufferedAmount === 0) void conn.send("x".repeat(1_000));
    client.socket.take(1);
  }],
  ["the client's Close frame", ({ client, clock }) => {
    if (clock.now() % 1000 === 400) client.sendClose(1000);
  }],
];

describe("the deadline of the closing handshake", () => {
  for (const [name, act, info] of CLIENTS) {
    it(`drops a client that ${name}`, () =>
      withDeadline(async (ends) => {
        const { client, conn, clock } = ends;
        await act(ends);
        const closed = watch(conn.closed);
        await clock.advance(699);
        assertEquals([closed.state, client.isClosed], ["pending", false]);
        await clock.advance(1);
        assertEquals([closed.state, client.isClosed], ["resolved", true]);
        assertEquals({ ...closed.value, ...info }, closed.value);
        assertEquals(clock.pending, []);
      }));
  }

  for (const [name, act] of TRAFFIC) {
    it(`is not extended by ${name}`, () =>
      withDeadline(async (ends) => {
        act(ends);
        const closed = watch(ends.conn.close());
        for (let i = 0; i < 7; i++) {
          assertEquals(closed.state, "pending");
          act(ends);
          await ends.clock.advance(100);
        }
        assertEquals([closed.state, ends.client.isClosed], ["resolved", true]);
      }));
  }

  it("is over with the connection", () =>
    withDeadline(async ({ client, conn, clock }) => {
      void conn.close();
      await client.close();
      assertEquals(clock.pending, []);
    }));
});
