/**
 * What happens while the messages that a stream held back are sent: the callback `drain` of the program
 * runs in the middle of it, as a large message is written at once.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionClosedError } from "../../mod.ts";
import type { ServerConnection } from "../../src/server/mod.ts";
import type { RawClient } from "../support/raw_client.ts";
import { withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { Source } from "./source.ts";
import { assertRejectedAsClosed } from "./with_connection.ts";

const LARGE = "x".repeat(70_000);

/** Reads messages, and says of the large ones that they are. */
async function readMessages(client: RawClient, count: number): Promise<unknown[]> {
  const messages: unknown[] = [];
  while (messages.length < count) {
    const message = await client.readMessage();
    messages.push(message === LARGE ? "large" : message);
  }
  return messages;
}

/** Has a stream hold back two large messages and more, ends it, and runs `onDrain` at the first `drain`. */
function withHeld(
  onDrain: (conn: ServerConnection, client: RawClient) => void,
  body: (ends: {
    client: RawClient;
    conn: ServerConnection;
    sent: ReturnType<typeof watch<void>>[];
    release: () => void;
  }) => Promise<void>,
): Promise<void> {
  let isDue = true;
  let client: RawClient | undefined;
  return withMemoryServer({
    closeTimeoutMs: 700,
    keepAlive: false,
    drain(conn) {
      if (!isDue) return;
      isDue = false;
      onDrain(conn, client!);
    },
  }, async (server) => {
    const pair = await server.openPair();
    client = pair.client;
    const { conn } = pair;
    conn.subscribe("x");
    const source = new Source("a");
    const sent = [watch(conn.sendStream("text", source.stream))];
    for (const message of [LARGE, LARGE, "1"]) sent.push(watch(conn.send(message)));
    server.server.publish("x", "published");
    sent.push(watch(conn.sendStream("text", new Source("b", "c").end().stream)));
    sent.push(watch(conn.send("2")));
    await settle();
    await body({ client, conn, sent, release: () => void source.push("z").end() });
  });
}

const HELD = ["az", "large", "large", "1", "published", "bc", "2"];

describe("while what a stream held back is sent", () => {
  it("the Close frame of a close() before waits for all of it", () =>
    withHeld(() => {}, async ({ client, conn, sent, release }) => {
      void conn.close({ closeCode: 4000 });
      release();
      assertEquals(await readMessages(client, HELD.length), HELD);
      assertEquals(await client.readClose(), [4000, ""]);
      for (const each of sent) assertEquals((await each.untilSettled()).state, "resolved");
      client.sendClose(4000);
      await client.finish();
      assertEquals((await conn.closed).wasClean, true);
    }));

  it("close() in `drain` waits for all of it", () =>
    withHeld((conn) => void conn.close({ closeCode: 4000 }), async ({ client, sent, release }) => {
      release();
      assertEquals(await readMessages(client, HELD.length), HELD);
      assertEquals(await client.readClose(), [4000, ""]);
      for (const each of sent) assertEquals((await each.untilSettled()).state, "resolved");
    }));

  it("what is sent in `drain` goes behind it, in order", () =>
    withHeld((conn) => {
      assertEquals(conn.trySend("3"), "sent");
      void conn.sendStream("text", new Source("d", "e").end().stream);
      void conn.send("4");
    }, async ({ client, conn, release }) => {
      release();
      const all = [...HELD, "3", "de", "4"];
      assertEquals(await readMessages(client, all.length), all);
      await settle();
      assertEquals([conn.bufferedAmount, client.unreadSize], [0, 0]);
    }));

  it("abort() in `drain` rejects what was not sent, and nothing is counted any more", () =>
    withHeld((conn) => conn.abort(), async ({ conn, sent, release }) => {
      release();
      const { wasClean } = await conn.closed;
      await settle();
      const states = sent.map(({ state }) => state);
      // The channel took the stream and the large messages before `drain` was called.
      assertEquals(states.slice(0, 3), ["resolved", "resolved", "resolved"]);
      for (const each of sent.slice(3)) assertRejectedAsClosed(each, 1006);
      assertEquals([wasClean, conn.bufferedAmount, conn.stats().heldSize], [false, 0, 0]);
    }));

  it("an error of the client's in `drain` breaks off what was not sent", () =>
    withHeld((_conn, client) => client.send(Uint8Array.of(0xff, 0xff)), async (ends) => {
      const { client, conn, sent, release } = ends;
      release();
      assertEquals(await readMessages(client, 3), HELD.slice(0, 3));
      assertEquals((await client.readClose())[0], 1002);
      for (const each of sent) await each.untilSettled();
      const errors = sent.slice(3).map(({ reason }) => (reason as ConnectionClosedError).closeCode);
      assertEquals(errors, [1002, 1002, 1002]);
      await client.finish();
      assertEquals((await conn.closed).wasClean, false);
    }));
});

describe("what `drain` does while messages are written", () => {
  it("is counted whole where the message before is shared with other connections", () => {
    let stall = () => {};
    return withConnection({
      limits: { sendHighWaterMark: 100 },
      drain(conn) {
        stall();
        stall = () => {};
        if (conn.bufferedAmount === 0) void conn.send(LARGE);
      },
    }, async ({ server, client, conn }) => {
      conn.subscribe("x");
      stall = () => client.socket.pause();
      for (let i = 0; i < 2; i++) server.server.publish("x", new Uint8Array(50_000));
      await settle();
      assertEquals([conn.bufferedAmount > 70_000, conn.stats().heldSize > 70_000], [true, true]);
      client.socket.resume();
      await settle();
    });
  });

  it("is not gone on with once it has aborted the connection", () => {
    const states: string[] = [];
    let stall = () => {};
    return withConnection({
      drain(conn) {
        states.push(conn.state);
        if (states.length > 1) return;
        stall();
        void conn.send(LARGE);
        conn.abort();
      },
    }, async ({ client, conn }) => {
      stall = () => client.socket.pause();
      client.socket.pause();
      for (const message of [LARGE, "small"]) void conn.send(message);
      client.socket.resume();
      await conn.closed;
      assertEquals(states, ["open"]);
    });
  });
});

describe("a program that sends right after it has published", () => {
  const ways: [name: string, send: (conn: ServerConnection) => unknown, outcome: unknown][] = [
    ["send()", (conn) => conn.send("late"), "rejected"],
    ["trySend()", (conn) => Promise.resolve(conn.trySend("late")), "closed"],
    ["sendStream()", (conn) => conn.sendStream("text", new Source("late").stream), "rejected"],
  ];
  for (const [name, send, outcome] of ways) {
    it(`is told that the connection is closed by what it published: ${name}`, () =>
      withConnection(
        { limits: { sendHighWaterMark: 50, sendQueueSize: 1_000 } },
        async ({ server, client, conn }) => {
          conn.subscribe("x");
          client.socket.pause();
          conn.trySend("x".repeat(900));
          server.server.publish("x", "y".repeat(900));
          const sent = await watch(send(conn) as Promise<unknown>).untilSettled();
          assertEquals([sent.value ?? sent.state, conn.state], [outcome, "closing"]);
          if (sent.state === "rejected") assertInstanceOf(sent.reason, ConnectionClosedError);
          client.socket.resume();
          assertEquals(await client.readMessage(), "x".repeat(900));
          assertEquals((await client.readClose())[0], 1013);
        },
      ));
  }
});
