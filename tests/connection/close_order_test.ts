/**
 * A Close frame behind messages: those that are handled and answered, and those that nobody reads.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, Connection, Message } from "../../src/server/mod.ts";
import { closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { type Setup, TRANSPORTS, withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { serve } from "../../mod.ts";
import { connect } from "../../src/runtimes/shared/client.ts";
import { connectedPair, FakeClock, receiveMessage } from "../../src/testing/mod.ts";
import { eventually } from "../support/waiter.ts";
import { Source } from "./source.ts";
import {
  assertIsClosedError,
  assertRejectedAsClosed,
  assertRejectsAsClosed,
} from "./with_connection.ts";

/** Echoes, each in its own time: some turns of the event loop. */
const ECHOES: Record<string, Setup<unknown>> = {
  "an async callback": {
    async message(conn: Connection, data: Message) {
      await settle();
      await conn.send(data);
    },
  },
  iteration: {
    async handler(conn) {
      for await (const message of conn) {
        await settle();
        await conn.send(message);
      }
    },
  },
  "iteration by hand, and no loop": {
    async handler(conn) {
      const messages = conn[Symbol.asyncIterator]();
      for (;;) {
        const { value, done } = await messages.next();
        if (done) break;
        await settle();
        await conn.send(value);
      }
    },
  },
  streams: {
    handler: (conn) => conn.readable.pipeTo(conn.writable),
  },
  "streamed messages": {
    async handler(conn) {
      for await (const { type, body } of conn.messages()) {
        await settle();
        await conn.sendStream(type, body);
      }
    },
  },
};

/** How the client ends, and what it is answered. */
const ENDS: [end: string, cause: (client: RawClient) => void, code?: number][] = [
  ["a Close frame", (client) => client.sendClose(4000), 4000],
  ["an error", (client) => client.send(Uint8Array.of(0xff, 0xff)), 1002],
  ["the end of its direction", (client) => client.socket.end()],
];

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`the answer to a Close frame over ${name}`, () => {
    for (const [how, setup] of Object.entries(ECHOES)) {
      for (const [end, cause, code] of ENDS) {
        it(`comes behind the echo of the messages before it, at ${end}: ${how}`, () =>
          withServer(setup, async (server) => {
            const client = await server.open();
            client.send(textFrame("a"), textFrame("b"), textFrame("c"));
            cause(client);
            for (const text of "abc") assertEquals(await client.readMessage(), text);
            if (code !== undefined) assertEquals((await client.readClose())[0], code);
            assertEquals((await client.readToEnd()).length, 0);
            if (!client.hasSentEnd) client.socket.end();
            await client.untilClosed();
            assertEquals(client.error, undefined);
          }));
      }
    }

    it("comes at once where the program waits for the next message", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn[Symbol.asyncIterator]();
        client.sendText("a");
        await messages.next();
        const last = watch(messages.next());
        client.sendClose(1000);
        assertEquals(await client.readClose(), [1000, ""]);
        assertEquals((await last.untilSettled()).value?.done, true);
      }));
  });
}

describe("the answer to a Close frame in memory", () => {
  it("waits for closeTimeoutMs, where a message is not handled", () =>
    withConnection({ closeTimeoutMs: 700, keepAlive: false }, async ({ client, conn, clock }) => {
      client.send(textFrame("a"), closeFrame(4000));
      await settle();
      assertEquals([conn.state, client.receivedSize > 0], ["closing", true]);
      await clock.advance(699);
      assertEquals(client.unreadSize, 0);
      // Meanwhile the program may still answer.
      await conn.send("b");
      assertEquals(await client.readMessage(), "b");
      await clock.advance(1);
      assertEquals(await client.readClose(), [4000, ""]);
      await client.finish();
      // What came before the Close frame can still be received.
      const messages = conn[Symbol.asyncIterator]();
      assertEquals((await messages.next()).value, "a");
      assertEquals((await messages.next()).done, true);
    }));

  it("is 1002 behind a message that is not handled, after closeTimeoutMs", () =>
    withConnection({ closeTimeoutMs: 700, keepAlive: false }, async ({ client, clock }) => {
      client.send(textFrame("a"), Uint8Array.of(0xff, 0xff));
      await clock.advance(699);
      assertEquals(client.unreadSize, 0);
      await clock.advance(1);
      assertEquals((await client.readClose())[0], 1002);
      await client.finish();
    }));

  it("comes at once with close(), which says that no more is to be handled", () =>
    withConnection({ closeTimeoutMs: Infinity, keepAlive: false }, async ({ client, conn }) => {
      client.send(textFrame("a"), closeFrame(4000));
      await settle();
      void conn.close({ closeCode: 3000 });
      assertEquals(await client.readClose(), [4000, ""]);
      await client.finish();
      assertEquals((await conn.closed).initiator, "remote");
    }));

  it("comes at once when the handler returns", () => {
    const gate = Promise.withResolvers<void>();
    const setup: Setup<unknown> = {
      handler: () => gate.promise,
      closeTimeoutMs: Infinity,
      keepAlive: false,
    };
    return withMemoryServer(setup, async (server) => {
      const client = await server.open();
      client.send(textFrame("a"), closeFrame(4000));
      await settle();
      gate.resolve();
      assertEquals(await client.readClose(), [4000, ""]);
      await client.finish();
    });
  });

  it("comes when the last message is released", () =>
    withConnection({ closeTimeoutMs: Infinity, keepAlive: false }, async ({ client, conn }) => {
      client.send(textFrame("a"), closeFrame(4000));
      for await (const _ of conn) {
        await settle();
        assertEquals(client.unreadSize, 0);
        break;
      }
      assertEquals(await client.readClose(), [4000, ""]);
      await client.finish();
    }));

  it("lets pings be answered until it is sent", () =>
    withConnection({ closeTimeoutMs: Infinity, keepAlive: false }, async ({ client, conn }) => {
      client.sendText("a");
      const ping = watch(conn.ping());
      const payload = await client.readPing();
      client.sendPing("mine");
      client.sendPong(payload);
      client.sendClose(4000);
      assertEquals(await client.readPong(), "mine");
      await ping.untilSettled();
      assertEquals([ping.state, conn.state], ["resolved", "closing"]);
      conn.abort();
    }));
});

interface Ends {
  server: Connection;
  client: Connection;
}

/** Pairs of connections whose close would take a minute if one side waited for the other. */
const NETWORKS: Record<string, (body: (ends: Ends) => Promise<void>) => Promise<void>> = {
  async memory(body) {
    const options = { closeTimeoutMs: 60_000, clock: new FakeClock() };
    const { clock, ...both } = options;
    const pair = await connectedPair({ server: both, client: both, clock });
    await body(pair);
    pair.server.abort();
    pair.client.abort();
  },
  async sockets(body) {
    const accepted = Promise.withResolvers<Connection>();
    const closeTimeoutMs = 60_000;
    const server = await serve({ port: 0, hostname: "127.0.0.1", closeTimeoutMs }, (conn) => {
      accepted.resolve(conn);
      return conn.closed;
    });
    const client = await connect(server.url, { closeTimeoutMs });
    await body({ server: await accepted.promise, client });
    client.abort();
    await server.shutdown({ timeoutMs: 1 });
  },
};

async function untilReceived(conn: Connection, count: number): Promise<void> {
  await eventually(`${count} messages`, () => conn.stats().receiveQueueLength === count);
}

function assertClosed(info: CloseInfo | undefined, closeCode: number, wasClean: boolean): void {
  assertEquals([info?.closeCode, info?.wasClean], [closeCode, wasClean]);
}

for (const [name, withPair] of Object.entries(NETWORKS)) {
  describe(`a client that reads nothing over ${name}`, () => {
    for (const closeCode of [1000, 1001, 1011, 4000]) {
      it(`answers a Close frame with ${closeCode} at once, and keeps what came before`, () =>
        withPair(async ({ server, client }) => {
          for (const text of "abc") await server.send(text);
          await untilReceived(client, 3);
          const closed = watch(server.close({ closeCode }));
          assertClosed((await closed.untilSettled()).value, closeCode, true);
          assertClosed(await client.closed, closeCode, true);
          const received: Message[] = [];
          for await (const message of client) received.push(message);
          assertEquals(received, ["a", "b", "c"]);
        }));
    }

    it("answers also where it has begun to read, and left", () =>
      withPair(async ({ server, client }) => {
        for (const text of "abc") await server.send(text);
        await untilReceived(client, 3);
        const messages = client[Symbol.asyncIterator]();
        assertEquals((await messages.next()).value, "a");
        const closed = watch(server.close());
        await eventually("the Close frame", () => client.state === "closing");
        await settle();
        assertEquals(closed.state, "pending");
        await messages.return!();
        assertClosed((await closed.untilSettled()).value, 1000, true);
        assertEquals(await receiveMessage(client), "b");
      }));

    it("may answer what others wait behind, where it reads one by one", () =>
      withPair(async ({ server, client }) => {
        for (const text of "abc") void server.send(text);
        const closed = watch(server.close());
        for (const text of "ab") {
          assertEquals(await receiveMessage(client), text);
          await client.send("answer");
        }
        assertEquals(await receiveMessage(client), "c");
        assertClosed((await closed.untilSettled()).value, 1000, true);
      }));

    it("gives what waits to its streams, too", () =>
      withPair(async ({ server, client }) => {
        const { readable } = client;
        for (const text of "abc") await server.send(text);
        await untilReceived(client, 3);
        assertClosed(await server.close(), 1000, true);
        await client.closed;
        assertEquals(await Array.fromAsync(readable), ["a", "b", "c"]);
      }));

    it("answers behind more than it has room for once it closes", () =>
      withPair(async ({ server, client }) => {
        for (let i = 0; i < 40; i++) await server.send(String(i));
        await untilReceived(client, 16);
        const closed = watch(server.close());
        await settle();
        assertEquals([client.state, closed.state], ["open", "pending"]);
        void client.close();
        assertClosed((await closed.untilSettled()).value, 1000, true);
      }));
  });

  describe(`a client that only sends over ${name}`, () => {
    for (const closeCode of [1001, 1008, 1011, 1013]) {
      it(`stops at once at a Close frame with ${closeCode}`, () =>
        withPair(async ({ server, client }) => {
          const source = new Source("a");
          const streamed = watch(client.sendStream("text", source.stream));
          const behind = watch(client.send("behind"));
          await server.send("unread");
          await untilReceived(client, 1);
          const closed = watch(server.close({ closeCode, reason: "no" }));
          await assertRejectsAsClosed(streamed, closeCode, "no");
          await assertRejectsAsClosed(behind, closeCode, "no");
          await eventually("the source to be cancelled", () => source.cancelled !== undefined);
          assertIsClosedError(await client.send("late").catch((error) => error), closeCode, "no");
          assertClosed((await closed.untilSettled()).value, closeCode, true);
          // Not all of it was sent.
          assertClosed(await client.closed, closeCode, false);
        }));

      it(`has a pipe end at once at a Close frame with ${closeCode}`, () =>
        withPair(async ({ server, client }) => {
          const source = new Source<Message>("a");
          const piped = watch(source.stream.pipeTo(client.writable));
          await settle();
          const closed = watch(server.close({ closeCode }));
          await assertRejectsAsClosed(piped, closeCode);
          assertClosed((await closed.untilSettled()).value, closeCode, true);
        }));
    }

    it("finishes a message at a Close frame with 1000", () =>
      withPair(async ({ server, client }) => {
        const source = new Source("a");
        const streamed = watch(client.sendStream("text", source.stream));
        const closed = watch(server.close());
        await eventually("the Close frame", () => client.state === "closing");
        await settle();
        assertEquals([streamed.state, closed.state], ["pending", "pending"]);
        source.push("b").end();
        assertEquals((await streamed.untilSettled()).state, "resolved");
        assertClosed((await closed.untilSettled()).value, 1000, true);
        assertClosed(await client.closed, 1000, true);
      }));
  });
}

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`a server whose client closes over ${name}`, () => {
    it("answers what came before a Close frame, though it reads later", () =>
      withServer({}, async (server) => {
        for (const closeCode of [1000, 1001, 1011, 4000]) {
          const { client, conn } = await server.openPair();
          client.send(textFrame("a"), textFrame("b"));
          client.sendClose(closeCode);
          await eventually("the Close frame", () => conn.state === "closing");
          for await (const message of conn) await conn.send(message);
          assertEquals(await client.readMessage(), "a");
          assertEquals(await client.readMessage(), "b");
          assertEquals(await client.readClose(), [closeCode, ""]);
        }
      }));

    it("stops a stream at once where the client failed the connection", () =>
      withConnection({}, async ({ client, conn }) => {
        const source = new Source("a");
        const streamed = watch(conn.sendStream("text", source.stream));
        assertEquals((await client.readFrame()).fin, false);
        client.sendText("unread");
        client.sendClose(1009, "too big");
        await assertRejectsAsClosed(streamed, 1009, "too big");
        assertEquals(await client.readClose(), [1009, ""]);
        await client.finish();
        assertEquals(await receiveMessage(conn), "unread");
      }));

    it("hands callbacks what came before, and may answer it", () => {
      const calls: string[] = [];
      const gate = Promise.withResolvers<void>();
      const setup = {
        async message(conn: Connection, data: Message) {
          calls.push(String(data));
          await gate.promise;
          await conn.send(data);
        },
        close: (_: Connection, { closeCode, wasClean }: CloseInfo) =>
          void calls.push(`close ${closeCode} ${wasClean}`),
      };
      return withConnection(setup, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"), textFrame("c"));
        client.sendClose(1011);
        await eventually("the Close frame", () => conn.state === "closing");
        await settle();
        assertEquals([calls, client.unreadSize], [["a"], 0]);
        gate.resolve();
        for (const text of "abc") assertEquals(await client.readMessage(), text);
        assertEquals(await client.readClose(), [1011, ""]);
        await client.finish();
        await eventually("the end", () => calls.length === 4);
        assertEquals(calls, ["a", "b", "c", "close 1011 true"]);
      });
    });

    it("leaves to a listener what came before", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        client.send(textFrame("a"), textFrame("b"));
        client.sendClose(1011);
        await eventually("the Close frame", () => conn.state === "closing");
        await settle();
        const events: unknown[] = [];
        socket.onmessage = ({ data }) => void events.push(data);
        socket.onclose = ({ code }) => void events.push(code);
        assertEquals(await client.readClose(), [1011, ""]);
        await client.finish();
        await eventually("the end", () => events.length === 3);
        assertEquals(events, ["a", "b", 1011]);
      }));
  });
}

describe("a server that shuts down", () => {
  it("does not wait for clients that read nothing, or only send", async () => {
    const open = Promise.withResolvers<void>();
    let count = 0;
    const options = { port: 0, hostname: "127.0.0.1", closeTimeoutMs: 60_000 };
    const server = await serve(options, async (conn) => {
      await conn.send("unread");
      if (++count === 2) open.resolve();
      await conn.closed;
    });
    const [deaf, sender] = await Promise.all([
      connect(server.url, { closeTimeoutMs: 60_000 }),
      connect(server.url, { closeTimeoutMs: 60_000 }),
    ]);
    const streamed = watch(sender.sendStream("text", new Source("a").stream));
    await open.promise;
    const start = performance.now();
    await server.shutdown({ timeoutMs: 60_000 });
    assert(performance.now() - start < 30_000);
    for (const conn of [deaf, sender]) assertEquals((await conn.closed).closeCode, 1001);
    assertRejectedAsClosed(await streamed.untilSettled(), 1001);
  });
});
