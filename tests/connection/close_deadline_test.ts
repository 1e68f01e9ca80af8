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

/** Checks that the connection is dropped in 700 ms, and not before. */
async function checkDropped(
  { client, conn, clock }: MemoryEnds,
  expected: Partial<CloseInfo>,
): Promise<void> {
  const closed = watch(conn.closed);
  await clock.advance(699);
  assertEquals([closed.state, client.isClosed], ["pending", false]);
  await clock.advance(1);
  assertEquals([closed.state, client.isClosed], ["resolved", true]);
  const { value } = closed;
  assertEquals({ ...value, ...expected }, value);
  assertEquals(clock.pending, []);
}

describe("the deadline of the closing handshake", () => {
  it("drops a client that does not answer a Close frame", () =>
    withDeadline(async (ends) => {
      void ends.conn.close({ closeCode: 4000 });
      assertEquals(await ends.client.readClose(), [4000, ""]);
      await checkDropped(ends, { closeCode: 4000, wasClean: false, initiator: "local" });
    }));

  it("is 5 seconds by default", () =>
    withConnection({ keepAlive: false }, ({ conn, clock }) => {
      void conn.close();
      assertEquals(clock.pending, [5_000]);
    }));

  it("is not extended by traffic", () =>
    withDeadline(async (ends) => {
      const { client, conn, clock } = ends;
      const closed = watch(conn.close());
      for (let i = 0; i < 7; i++) {
        assertEquals(closed.state, "pending");
        client.sendText("more");
        client.sendPing();
        await clock.advance(100);
      }
      assertEquals([closed.state, client.isClosed], ["resolved", true]);
    }));

  it("is not extended by the client's Close frame", () =>
    withDeadline(async ({ client, conn, clock }) => {
      const closed = watch(conn.close());
      await clock.advance(400);
      client.sendClose(1000);
      await clock.advance(299);
      assertEquals(closed.state, "pending");
      await clock.advance(1);
      assertEquals(closed.value?.wasClean, true);
    }));

  it("is not extended by close() called again", () =>
    withDeadline(async ({ conn, clock }) => {
      const closed = watch(conn.close());
      await clock.advance(400);
      void conn.close();
      await clock.advance(300);
      assertEquals(closed.state, "resolved");
    }));

  it("drops a client that answers, and does not end TCP", () =>
    withDeadline(async (ends) => {
      void ends.conn.close();
      ends.client.sendClose(1000);
      await ends.client.readClose();
      await ends.client.readToEnd();
      await checkDropped(ends, { closeCode: 1000, wasClean: true, initiator: "local" });
    }));

  it("drops a client that began, and does not end TCP", () =>
    withDeadline(async (ends) => {
      ends.client.sendClose(4000);
      await ends.client.readClose();
      await ends.client.readToEnd();
      await checkDropped(ends, { closeCode: 4000, wasClean: true, initiator: "remote" });
    }));

  it("drops a client that broke the protocol, and does not end TCP", () =>
    withDeadline(async (ends) => {
      ends.client.send(Uint8Array.of(0xff, 0xff));
      await ends.client.readClose();
      await checkDropped(ends, { closeCode: 1002, wasClean: false, initiator: "local" });
    }));

  it("drops a client that does not read the Close frame", () =>
    withDeadline(async (ends) => {
      ends.client.socket.pause();
      const sent = watch(ends.conn.send("x".repeat(100_000)));
      void ends.conn.close({ closeCode: 4000 });
      await settle();
      await checkDropped(ends, { closeCode: 4000, wasClean: false });
      assertEquals(sent.state, "rejected");
    }));

  it("drops a client that ends TCP, and does not read", () =>
    withDeadline(async (ends) => {
      ends.client.socket.pause();
      void ends.conn.send("x".repeat(100_000));
      await settle();
      ends.client.socket.end();
      await checkDropped(ends, { closeCode: 1006, wasClean: false, initiator: "remote" });
    }));

  it("drops a client that reads a byte at a time and does not come to the end", () =>
    withDeadline(async ({ client, conn, clock }) => {
      client.socket.pause();
      void conn.send("x".repeat(1_000));
      const closed = watch(conn.close());
      for (let i = 0; i < 7; i++) {
        assertEquals(closed.state, "pending");
        client.socket.take(1);
        await clock.advance(100);
      }
      assertEquals(closed.state, "resolved");
    }));

  it("begins anew where it was spent on messages that were not handled", () =>
    withDeadline(async (ends) => {
      const { client, clock } = ends;
      client.send(textFrame("a"), closeFrame(4000));
      await clock.advance(700);
      assertEquals(await client.readClose(), [4000, ""]);
      await checkDropped(ends, { closeCode: 4000, wasClean: true });
    }));

  it("is over with the connection", () =>
    withDeadline(async ({ client, conn, clock }) => {
      void conn.close();
      await client.close();
      assertEquals(clock.pending, []);
    }));

  it("can be Infinity: there is no timer then", () =>
    withConnection(
      { closeTimeoutMs: Infinity, keepAlive: false },
      async ({ client, conn, clock }) => {
        void conn.close();
        await client.readClose();
        assertEquals(clock.pending, []);
        await clock.advance(1_000_000_000);
        assertEquals(conn.state, "closing");
      },
    ));
});
