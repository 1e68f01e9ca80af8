import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { type Setup, TRANSPORTS, withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

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
