import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import { closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

interface Ends {
  client: RawClient<MemorySocket>;
  conn: Connection;
  server: MemoryHarness<unknown>;
}

/** Opens a connection that has 700 ms to close, and no other timers. */
function withConnection(body: (ends: Ends) => Promise<void>): Promise<void> {
  return withMemoryServer({ closeTimeoutMs: 700, keepAlive: false }, async (server) => {
    await body({ ...await server.openPair(), server });
  });
}

/** Checks that the connection is dropped in 700 ms, and not before. */
async function checkDropped(
  { client, conn, server }: Ends,
  expected: Partial<CloseInfo>,
): Promise<void> {
  const closed = watch(conn.closed);
  await server.clock.advance(699);
  assertEquals([closed.state, client.isClosed], ["pending", false]);
  await server.clock.advance(1);
  assertEquals([closed.state, client.isClosed], ["resolved", true]);
  const { value } = closed;
  assertEquals({ ...value, ...expected }, value);
  assertEquals(server.clock.pending, []);
}

describe("the deadline of the closing handshake", () => {
  it("drops a client that does not answer a Close frame", () =>
    withConnection(async (ends) => {
      void ends.conn.close({ closeCode: 4000 });
      assertEquals(await ends.client.readClose(), [4000, ""]);
      await checkDropped(ends, { closeCode: 4000, wasClean: false, initiator: "local" });
    }));

  it("is 5 seconds by default", () =>
    withMemoryServer({ keepAlive: false }, async (server) => {
      const { conn } = await server.openPair();
      void conn.close();
      assertEquals(server.clock.pending, [5_000]);
    }));

  it("is not extended by traffic", () =>
    withConnection(async (ends) => {
      const { client, conn, server } = ends;
      const closed = watch(conn.close());
      for (let i = 0; i < 7; i++) {
        assertEquals(closed.state, "pending");
        client.sendText("more");
        client.sendPing();
        await server.clock.advance(100);
      }
      assertEquals([closed.state, client.isClosed], ["resolved", true]);
    }));

  it("is not extended by the client's Close frame", () =>
    withConnection(async ({ client, conn, server }) => {
      const closed = watch(conn.close());
      await server.clock.advance(400);
      client.sendClose(1000);
      await server.clock.advance(299);
      assertEquals(closed.state, "pending");
      await server.clock.advance(1);
      assertEquals(closed.value?.wasClean, true);
    }));

  it("is not extended by close() called again", () =>
    withConnection(async ({ conn, server }) => {
      const closed = watch(conn.close());
      await server.clock.advance(400);
      void conn.close();
      await server.clock.advance(300);
      assertEquals(closed.state, "resolved");
    }));

  it("drops a client that answers, and does not end TCP", () =>
    withConnection(async (ends) => {
      void ends.conn.close();
      ends.client.sendClose(1000);
      await ends.client.readClose();
      await ends.client.readToEnd();
      await checkDropped(ends, { closeCode: 1000, wasClean: true, initiator: "local" });
    }));

  it("drops a client that began, and does not end TCP", () =>
    withConnection(async (ends) => {
      ends.client.sendClose(4000);
      await ends.client.readClose();
      await ends.client.readToEnd();
      await checkDropped(ends, { closeCode: 4000, wasClean: true, initiator: "remote" });
    }));

  it("drops a client that broke the protocol, and does not end TCP", () =>
    withConnection(async (ends) => {
      ends.client.send(Uint8Array.of(0xff, 0xff));
      await ends.client.readClose();
      await checkDropped(ends, { closeCode: 1002, wasClean: false, initiator: "local" });
    }));

  it("drops a client that does not read the Close frame", () =>
    withConnection(async (ends) => {
      ends.client.socket.pause();
      const sent = watch(ends.conn.send("x".repeat(100_000)));
      void ends.conn.close({ closeCode: 4000 });
      await settle();
      await checkDropped(ends, { closeCode: 4000, wasClean: false });
      assertEquals(sent.state, "rejected");
    }));

  it("drops a client that ends TCP, and does not read", () =>
    withConnection(async (ends) => {
      ends.client.socket.pause();
      void ends.conn.send("x".repeat(100_000));
      await settle();
      ends.client.socket.end();
      await checkDropped(ends, { closeCode: 1006, wasClean: false, initiator: "remote" });
    }));

  it("drops a client that reads a byte at a time and does not come to the end", () =>
    withConnection(async ({ client, conn, server }) => {
      client.socket.pause();
      void conn.send("x".repeat(1_000));
      const closed = watch(conn.close());
      for (let i = 0; i < 7; i++) {
        assertEquals(closed.state, "pending");
        client.socket.take(1);
        await server.clock.advance(100);
      }
      assertEquals(closed.state, "resolved");
    }));

  it("begins anew where it was spent on messages that were not handled", () =>
    withConnection(async (ends) => {
      const { client, server } = ends;
      client.send(textFrame("a"), closeFrame(4000));
      await server.clock.advance(700);
      assertEquals(await client.readClose(), [4000, ""]);
      await checkDropped(ends, { closeCode: 4000, wasClean: true });
    }));

  it("is over with the connection", () =>
    withConnection(async ({ client, conn, server }) => {
      void conn.close();
      client.sendClose(1000);
      await client.readClose();
      await client.finish();
      assertEquals(server.clock.pending, []);
    }));

  it("can be Infinity: there is no timer then", () =>
    withMemoryServer({ closeTimeoutMs: Infinity, keepAlive: false }, async (server) => {
      const { client, conn } = await server.openPair();
      void conn.close();
      await client.readClose();
      assertEquals(server.clock.pending, []);
      await server.clock.advance(1_000_000_000);
      assertEquals(conn.state, "closing");
    }));
});
