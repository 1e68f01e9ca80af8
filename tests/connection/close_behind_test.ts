import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ConnectionClosedError } from "../../mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";
import type { Connection, ServerConnection } from "../../src/server/mod.ts";
import { assertEnd } from "../support/end.ts";
import { clientFrame, closeFrame, type RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import {
  type Harness,
  TRANSPORTS,
  withConnection,
  withMemoryServer,
} from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";
import { Source } from "./source.ts";
import {
  assertIsClosedError,
  assertRejectedAsClosed,
  assertRejectsAsClosed,
} from "./with_connection.ts";

/** Sends a stream that goes on, and what has to wait for its end. */
function sendMuch(conn: Connection): { source: Source; sent: Watched<void>[] } {
  const source = new Source("a");
  const sent = [watch(conn.sendStream("text", source.stream)), watch(conn.send("1"))];
  assertEquals(conn.trySend("2"), "sent");
  sent.push(watch(conn.sendStream("text", new Source("b", "c").end().stream)));
  sent.push(watch(conn.send(Uint8Array.of(3))));
  return { source, sent };
}

const MUCH = ["az", "1", "2", "bc", Uint8Array.of(3)];

/** Ways to close, and the code of the Close frame. */
const WAYS: [how: string, closeCode: number, close: (ends: Ends) => unknown][] = [
  ["close()", 4000, ({ conn }) => void conn.close({ closeCode: 4000 })],
  ["asyncDispose", 1000, ({ conn }) => void conn[Symbol.asyncDispose]()],
  ["writable.close()", 1000, ({ conn }) => void conn.writable.close()],
  ["writable.abort()", 1011, ({ conn }) => void conn.writable.abort()],
  ["readable.cancel()", 1000, ({ conn }) => void conn.readable.cancel()],
  ["asWebSocket().close()", 4001, ({ conn }) => conn.asWebSocket().close(4001)],
  ["a handler that returns", 1000, ({ handled }) => handled.resolve()],
  ["shutdown()", 1001, ({ server }) => void server.server.shutdown()],
];

interface Ends {
  conn: ServerConnection;
  server: Harness;
  /** The end of the handler. */
  handled: PromiseWithResolvers<void>;
}

for (const { name, withConnection, withServer } of TRANSPORTS) {
  describe(`a connection that is closed while a stream is sent, over ${name}`, () => {
    for (const [how, closeCode, close] of WAYS) {
      it(`sends all that was accepted before the Close frame, by ${how}`, () => {
        const handled = Promise.withResolvers<void>();
        return withConnection(
          { handler: () => handled.promise },
          async ({ server, client, conn }) => {
            conn.subscribe("x");
            const { source, sent } = sendMuch(conn);
            server.server.publish("x", "published");
            await close({ conn, server, handled });
            await settle();
            assertEquals([conn.state, client.hasEnded], ["closing", false]);
            const late = [watch(conn.send("late"))];
            late.push(watch(conn.sendStream("text", new Source("late").stream)));
            assertEquals(conn.trySend("late"), "closed");
            server.server.publish("x", "late");
            for (const each of late) await assertRejectsAsClosed(each, closeCode);
            source.push("z").end();
            for (const message of [...MUCH, "published"]) {
              assertEquals(await client.readMessage(), message);
            }
            assertEquals((await client.readClose())[0], closeCode);
            for (const each of sent) assertEquals((await each.untilSettled()).state, "resolved");
            client.sendClose(closeCode);
            await client.finish();
            const info = await conn.closed;
            assertEquals([info.closeCode, info.wasClean, info.initiator], [
              closeCode,
              true,
              "local",
            ]);
          },
        );
      });
    }

    const error = new Error("the program broke");
    const OTHERS: [what: string, act: (ends: Ends, client: RawClient) => unknown, code: number][] =
      [
        ["the handler throws", ({ handled }) => handled.reject(error), 1011],
        ["the client closes", (_, client) => client.sendClose(4000, "enough"), 4000],
        [
          "the client closes, and ends its direction",
          (_, client) => void [client.sendClose(4000), client.socket.end()],
          4000,
        ],
      ];
    for (const [what, act, code] of OTHERS) {
      it(`sends all of it, and then ${code}, also where ${what}`, () => {
        const handled = Promise.withResolvers<void>();
        return withServer({ handler: () => handled.promise }, async (server) => {
          const { client, conn } = await server.openPair();
          const { source, sent } = sendMuch(conn);
          await settle();
          await act({ conn, server, handled }, client);
          await settle();
          assertEquals(server.takeErrors(), code === 1011 ? [error] : []);
          source.push("z").end();
          for (const message of MUCH) assertEquals(await client.readMessage(), message);
          assertEquals(await client.readClose(), [code, ""]);
          for (const each of sent) assertEquals((await each.untilSettled()).state, "resolved");
          if (code === 1011) client.sendClose(1011);
          assertEquals((await client.readToEnd()).length, 0);
          if (!client.hasSentEnd) client.socket.end();
          await assertEnd(conn, { closeCode: code, wasClean: true });
        });
      });
    }

    it("answers Pings, drops messages, and takes the client's Close frame meanwhile", () => {
      const received: unknown[] = [];
      const take = (_: unknown, data: unknown) => void received.push(data);
      return withConnection({ message: take, ping: take }, async ({ client, conn }) => {
        const { source } = sendMuch(conn);
        await settle();
        assertEquals((await client.readFrame()).fin, false);
        client.send(clientFrame({ opcode: 1, payload: utf8("begun"), fin: false }));
        void conn.close({ closeCode: 4000 });
        client.sendPing("alive?");
        assertEquals(await client.readPong(), "alive?");
        client.send(clientFrame({ opcode: 0, payload: utf8("ended") }), textFrame("dropped"));
        client.send(closeFrame(4001));
        await settle();
        assertEquals(conn.state, "closing");
        source.push("z").end();
        await client.readFrame();
        await client.readFrame();
        for (const message of MUCH.slice(1)) assertEquals(await client.readMessage(), message);
        assertEquals(await client.readClose(), [4000, ""]);
        await client.finish();
        const { closeCode, wasClean } = await conn.closed;
        assertEquals([closeCode, wasClean, received], [4000, true, []]);
      });
    });

    it("drops what is not sent within closeTimeoutMs, and is not clean then", () =>
      withConnection({ closeTimeoutMs: 50 }, async ({ server, client, conn }) => {
        const { source, sent } = sendMuch(conn);
        const timer = setInterval(() => source.cancelled ?? source.push("more"), 5);
        const closed = watch(conn.close());
        if ("clock" in server) {
          await settle();
          await (server.clock as { advance(ms: number): Promise<void> }).advance(50);
        }
        await closed.untilSettled();
        clearInterval(timer);
        assertEquals([closed.value?.closeCode, closed.value?.wasClean], [1000, false]);
        for (const each of sent.slice(0, 2)) await assertRejectsAsClosed(each, 1000);
        assertIsClosedError(source.cancelled?.[0], 1000);
        client.socket.reset();
      }));
  });
}

/** More than the system's buffers take. */
const SIZE = 16_000_000;

/** What a client does not read, and what nobody waits for. */
const UNREAD: [what: string, send: (ends: Omit<Ends, "handled">) => void][] = [
  ["published messages", ({ server }) => void server.server.publish("x", new Uint8Array(SIZE))],
  ["messages of trySend()", ({ conn }) => void conn.trySend("x".repeat(SIZE))],
  ["messages of send() that have resolved", ({ conn }) => void conn.send("x".repeat(SIZE))],
];

for (const { name, withConnection } of TRANSPORTS) {
  describe(`a connection that is dropped after both Close frames, over ${name}`, () => {
    for (const [what, send] of UNREAD) {
      for (const side of ["client", "server"]) {
        it(`is not clean while it holds ${what}: closed by the ${side}`, () => {
          const limits = { sendHighWaterMark: Infinity, sendQueueSize: Infinity };
          return withConnection(
            { closeTimeoutMs: 50, keepAlive: false, limits },
            async ({ server, client, conn }) => {
              conn.subscribe("x");
              client.socket.pause();
              send({ conn, server });
              await settle();
              assert(conn.bufferedAmount > 0);
              const closed = watch(conn.closed);
              if (side === "server") void conn.close({ closeCode: 4000 });
              client.sendClose(4000);
              await settle();
              if ("clock" in server) {
                await (server.clock as { advance(ms: number): Promise<void> }).advance(100);
              }
              await closed.untilSettled();
              assertEquals([closed.value?.closeCode, closed.value?.wasClean], [4000, false]);
              client.socket.reset();
            },
          );
        });
      }
    }
  });
}

const LIMITED = { closeTimeoutMs: 700, keepAlive: false } as const;

describe("a Close frame that waits for what was accepted", () => {
  it("is the answer to the client's, at the latest after closeTimeoutMs", () =>
    withConnection(LIMITED, async ({ client, conn, clock }) => {
      const { sent } = sendMuch(conn);
      await settle();
      client.sendClose(4000);
      await clock.advance(699);
      assertEquals(sent.map(({ state }) => state), ["pending", "pending", "pending", "pending"]);
      await clock.advance(1);
      for (const each of sent) assertRejectedAsClosed(each, 4000);
      assertEquals((await client.readFrame()).fin, false);
      assertEquals(await client.readClose(), [4000, ""]);
      await client.finish();
      await assertEnd(conn, { closeCode: 4000, wasClean: false });
    }));

  it("has 1011 where the stream breaks, and what waited for that rejects", () =>
    withConnection(LIMITED, async ({ client, conn }) => {
      const { source, sent } = sendMuch(conn);
      await settle();
      void conn.close({ closeCode: 4000 });
      const error = new Error("source broke");
      source.fail(error);
      await sent[0].untilSettled();
      assertEquals(sent[0].reason, error);
      for (const each of sent.slice(1)) await assertRejectsAsClosed(each, 1011);
      assertEquals((await client.readFrame()).fin, false);
      await client.answerClose(1011);
      await assertEnd(conn, { closeCode: 1011, wasClean: false });
    }));

  it("follows at once where the stream fails before its first fragment", () =>
    withConnection(LIMITED, async ({ client, conn }) => {
      const source = new Source();
      void conn.sendStream("text", source.stream);
      conn.trySend("held back");
      await settle();
      void conn.close({ closeCode: 4000 });
      source.fail(new Error("source broke"));
      assertEquals(await client.readMessage(), "held back");
      assertEquals(await client.readClose(), [4000, ""]);
    }));

  it("does not wait where the client breaks the protocol", () =>
    withConnection(LIMITED, async ({ client, conn }) => {
      const { sent } = sendMuch(conn);
      await settle();
      client.send(Uint8Array.of(0xff, 0xff));
      for (const each of sent) {
        await each.untilSettled();
        assert(each.reason instanceof ConnectionClosedError);
        assertEquals(each.reason.closeCode, 1002);
      }
      assertEquals((await client.readFrame()).fin, false);
      assertEquals((await client.readClose())[0], 1002);
      await client.finish();
      assertEquals((await conn.closed).wasClean, false);
    }));

  it("is not clean where the client answers without having read what was sent", () =>
    withConnection(LIMITED, async ({ client, conn, clock }) => {
      client.socket.pause();
      const sent = watch(conn.send(new Uint8Array(100_000)));
      client.sendClose(4000);
      await settle();
      await clock.advance(1400);
      assertEquals([sent.state, (await conn.closed).wasClean], ["rejected", false]);
    }));

  for (const side of ["client", "server"]) {
    it(`need not be taken for the end to be clean, if nothing else waits: closed by the ${side}`, async () => {
      for (const reads of [true, false]) {
        await withConnection(LIMITED, async ({ client, conn, clock }) => {
          if (!reads) client.socket.pause();
          if (side === "server") void conn.close({ closeCode: 4000 });
          client.sendClose(4000);
          await settle();
          await clock.advance(1400);
          assertEquals((await conn.closed).wasClean, true);
        });
      }
    });
  }

  for (const lag of ["drop-oldest", "drop-newest", "latest"] as const) {
    it(`follows the messages that wait for a slow subscriber: ${lag}`, () => {
      const limits = { sendHighWaterMark: 2_500, sendQueueSize: 10_000 };
      return withConnection(
        { ...LIMITED, limits, memoryBudget: false },
        async ({ server, client, conn }) => {
          conn.subscribe("x", { lag });
          client.socket.pause();
          const messages = Array.from({ length: 12 }, (_, i) => `${i} `.padEnd(1_000, "."));
          for (const [i, message] of messages.entries()) {
            server.server.publish("x", message, { key: `${i}` });
            await settle();
          }
          void server.server.shutdown();
          server.server.publish("x", "late");
          await settle();
          client.socket.resume();
          for (const message of messages) assertEquals(await client.readMessage(), message);
          await client.answerClose(1001, /.*/);
          assertEquals((await conn.closed).wasClean, true);
        },
      );
    });
  }

  it("does not wait where the queue is full, nor where a subscriber is too slow for its policy", () =>
    withMemoryServer(
      { ...LIMITED, limits: { sendHighWaterMark: 50, sendQueueSize: 100 } },
      async (server) => {
        for (const how of ["send", "publish"]) {
          const { client, conn } = await server.openPair();
          const source = new Source("a");
          const streamed = watch(conn.sendStream("text", source.stream));
          await settle();
          void conn.send("x".repeat(60));
          conn.subscribe("x");
          if (how === "send") void conn.send("y".repeat(60));
          else server.server.publish("x", "y".repeat(60));
          assertEquals((await streamed.untilSettled()).state, "rejected");
          assertEquals((await client.readFrame()).fin, false);
          assertEquals((await client.readClose())[0], 1013);
        }
      },
    ));

  it("is a client's, too", async () => {
    const { server, client } = await connectedPair();
    const messages = watch(Array.fromAsync(server));
    const { source } = sendMuch(client);
    const closed = watch(client.close({ closeCode: 4000 }));
    await settle();
    assertEquals([client.state, server.state], ["closing", "open"]);
    source.push("z").end();
    await closed.untilSettled();
    assertEquals((await messages.untilSettled()).value, MUCH);
    assertEquals([closed.value?.wasClean, (await server.closed).closeCode], [true, 4000]);
    assert(client.state === "closed");
  });
});
