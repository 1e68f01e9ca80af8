import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Connection, SubscribeOptions } from "../../src/server/mod.ts";
import { accept } from "../../mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { MemoryListener } from "../support/memory_listener.ts";
import { RawClient } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { streamOf } from "../support/stream_of.ts";
import { TRANSPORTS, withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

/** Reads so many messages. */
async function read(client: RawClient, count: number): Promise<unknown[]> {
  const messages: unknown[] = [];
  for (let i = 0; i < count; i++) messages.push(await client.readMessage());
  return messages;
}

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`topics, over ${name}`, () => {
    it("reach those who are subscribed, and no others", async () => {
      await withServer({}, async (harness) => {
        const { server } = harness;
        const all = [await harness.openPair(), await harness.openPair(), await harness.openPair()];
        const [a, b, c] = all;
        a.conn.subscribe("x");
        b.conn.subscribe("x");
        b.conn.subscribe("y");
        assertEquals([...b.conn.topics], ["x", "y"]);
        assertEquals([...c.conn.topics], []);
        assertEquals(["x", "y", "z"].map((topic) => server.subscriberCount(topic)), [2, 1, 0]);
        server.publish("x", "to two");
        server.publish("y", Uint8Array.of(1, 2, 3));
        server.publish("z", "to nobody");
        for (const { conn } of all) await conn.send("last");
        assertEquals(await read(a.client, 2), ["to two", "last"]);
        assertEquals(await read(b.client, 3), ["to two", Uint8Array.of(1, 2, 3), "last"]);
        assertEquals(await read(c.client, 1), ["last"]);
      });
    });

    it("leave out the connection that is excepted", async () => {
      await withServer({}, async (harness) => {
        const [a, b] = [await harness.openPair(), await harness.openPair()];
        for (const { conn } of [a, b]) conn.subscribe("x");
        harness.server.publish("x", "1", { except: a.conn });
        harness.server.publish("x", "2");
        assertEquals(await read(a.client, 1), ["2"]);
        assertEquals(await read(b.client, 2), ["1", "2"]);
      });
    });

    it("end with unsubscribe(), behind what was published before", async () => {
      await withConnection({}, async ({ server: harness, client, conn }) => {
        conn.subscribe("x");
        harness.server.publish("x", "1");
        assertEquals(conn.unsubscribe("x"), true);
        assertEquals(conn.unsubscribe("x"), false);
        harness.server.publish("x", "2");
        await conn.send("3");
        assertEquals(await read(client, 2), ["1", "3"]);
        assertEquals(harness.server.subscriberCount("x"), 0);
      });
    });

    it("begin with subscribe(), and not before", async () => {
      await withServer({}, async (harness) => {
        const [a, b] = [await harness.openPair(), await harness.openPair()];
        a.conn.subscribe("x");
        harness.server.publish("x", "1");
        b.conn.subscribe("x");
        harness.server.publish("x", "2");
        assertEquals(await read(a.client, 2), ["1", "2"]);
        assertEquals(await read(b.client, 1), ["2"]);
      });
    });

    it("end with the connection", async () => {
      await withConnection({}, async ({ server: harness, client, conn }) => {
        conn.subscribe("x");
        client.socket.reset();
        await conn.closed;
        assertEquals(harness.server.subscriberCount("x"), 0);
        assertEquals([...conn.topics], []);
        harness.server.publish("x", "1");
        assertThrows(() => conn.subscribe("x"), Error, "closing or closed");
      });
    });

    it("keep to the order of all that is sent", async () => {
      await withServer({}, async (harness) => {
        const { server } = harness;
        const { client, conn } = await harness.openPair();
        conn.subscribe("x");
        conn.subscribe("y");
        server.publish("x", "1");
        void conn.send("2");
        server.publish("y", "3");
        server.publish("x", "4");
        conn.trySend("5");
        server.publish("y", "6");
        void conn.sendStream("text", streamOf(["7"]));
        server.publish("x", "8");
        assertEquals(await read(client, 8), ["1", "2", "3", "4", "5", "6", "7", "8"]);
        server.publish("x", "9");
        void conn.close();
        assertEquals(await read(client, 1), ["9"]);
        await client.readClose();
        client.sendClose(1000);
      });
    });
  });
}

describe("what is published", () => {
  it("in one turn is one write for each connection, of the same bytes", async () => {
    await withMemoryServer({}, async (harness) => {
      const pairs = [await harness.openPair(), await harness.openPair(), await harness.openPair()];
      const channels = pairs.map(({ client }) => harness.channelOf(client));
      for (const { conn } of pairs) conn.subscribe("x");
      const before = channels.map(({ writes }) => writes.length);
      for (let i = 0; i < 1000; i++) harness.server.publish("x", `message ${i}`);
      await settle();
      assertEquals(channels.map(({ writes }) => writes.length), before.map((count) => count + 1));
      for (const { client } of pairs) {
        const messages = await read(client, 1000);
        assertEquals([messages[0], messages[999]], ["message 0", "message 999"]);
      }
    });
  });

  it("is sent when the listener says that all has arrived", async () => {
    const listener = new MemoryListener();
    const due: (() => void)[] = [];
    const server = await WebSocketServer.listen(
      async (...args) => {
        const bound = await listener.listen(...args);
        return Object.assign(bound, {
          afterArrivals: (flush: () => void) => void due.push(flush),
        });
      },
      { open: (conn) => void conn.subscribe("x") },
      undefined,
    );
    const client = new RawClient(listener.connect().socket);
    client.send(upgradeRequest());
    await client.readHead();
    server.publish("x", "1");
    await settle();
    server.publish("x", "2");
    await settle();
    assertEquals([due.length, listener.channels[0].writes.length], [1, 1]);
    due[0]();
    assertEquals(await read(client, 2), ["1", "2"]);
    assertEquals(listener.channels[0].writes.length, 2);
    client.socket.reset();
    await server.shutdown();
  });

  it("comes behind what is still to be sent", async () => {
    await withConnection({}, async ({ server: harness, client, conn, channel }) => {
      const { writes } = channel;
      conn.subscribe("x");
      const before = writes.length;
      harness.server.publish("x", "2");
      // Does not ask for what was published to be sent first.
      void conn.ping();
      await settle();
      const [ping, message] = [await client.readFrame(), await client.readFrame()];
      assertEquals([ping.opcode, message.opcode], [9, 1]);
      assertEquals(writes.length, before + 1);
      client.sendFrame({ opcode: 10, payload: ping.payload });
    });
  });

  it("is encoded once, however many are subscribed", async () => {
    await withMemoryServer({}, async (harness) => {
      const written: Uint8Array[][] = [];
      for (let i = 0; i < 3; i++) {
        const { client, conn } = await harness.openPair();
        const channel = harness.channelOf(client);
        const write = channel.write.bind(channel);
        channel.write = (chunks) => {
          written.push([...chunks]);
          return write(chunks);
        };
        conn.subscribe("x");
      }
      harness.server.publish("x", "small");
      await settle();
      harness.server.publish("x", new Uint8Array(100_000));
      await settle();
      for (const text of ["one", "two", "three"]) harness.server.publish("x", text);
      await settle();
      assertEquals(written.length, 9);
      for (const [first, ...others] of [0, 3, 6].map((start) => written.slice(start, start + 3))) {
        for (const chunks of others) {
          assertEquals(chunks.length, first.length);
          assert(chunks.every((chunk, i) => chunk === first[i]), "other bytes");
        }
      }
    });
  });

  it("may be changed by the program at once", async () => {
    await withConnection({}, async ({ server: harness, client, conn }) => {
      conn.subscribe("x");
      for (const size of [3, 100_000]) {
        const bytes = new Uint8Array(size).fill(1);
        harness.server.publish("x", bytes);
        bytes.fill(2);
        const message = await client.readMessage() as Uint8Array;
        assertEquals(message.length, size);
        assert(message.every((byte) => byte === 1));
      }
    });
  });

  it("by a handler to whom it is sent arrives behind what it answers", async () => {
    await withMemoryServer({
      open: (conn) => void conn.subscribe("x"),
    }, async (harness) => {
      const [a, b] = [await harness.openPair(), await harness.openPair()];
      harness.server.publish("x", "1");
      harness.server.publish("x", "2", { except: b.conn });
      assertEquals(await read(a.client, 2), ["1", "2"]);
      assertEquals(await read(b.client, 1), ["1"]);
      assertEquals(a.conn.stats().messagesSent, 2);
      assertEquals(b.conn.stats().messagesSent, 1);
    });
  });

  it("must be a message, and a topic a string", async () => {
    await withMemoryServer({}, ({ server }) => {
      assertThrows(() => server.publish("x", 1 as unknown as string), TypeError);
      assertThrows(() => server.publish(1 as unknown as string, "x"), TypeError);
      return Promise.resolve();
    });
  });
});

describe("subscribe()", () => {
  const wrong: [options: unknown, error: typeof TypeError | typeof RangeError][] = [
    [{ lag: "drop" }, TypeError],
    [{ queueSize: -1 }, RangeError],
    [{ queueSize: NaN }, RangeError],
    [{ closeCode: 1005 }, RangeError],
  ];
  for (const [options, error] of wrong) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      await withConnection({}, ({ server: harness, conn }) => {
        assertThrows(() => conn.subscribe("x", options as SubscribeOptions), error);
        assertEquals(harness.server.subscriberCount("x"), 0);
      });
    });
  }

  it("refuses what is no topic", async () => {
    await withConnection({}, ({ conn }) => {
      assertThrows(() => conn.subscribe(1 as unknown as string), TypeError, "a topic is a string");
    });
  });

  it("refuses what is no key", async () => {
    await withMemoryServer({}, ({ server }) => {
      for (const key of [5, null, {}, Symbol("key")]) {
        const options = { key: key as string };
        assertThrows(() => server.publish("x", "1", options), TypeError, "key must be a string");
      }
      server.publish("x", "1", { key: "\ud800" });
      return Promise.resolve();
    });
  });

  it("is for the connections of a server", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const accepting: Promise<Connection> = accept({
      readable: streamOf([new TextEncoder().encode(upgradeRequest())]),
      writable,
    });
    void readable.getReader().read();
    const conn = await accepting;
    for (const name of ["subscribe", "unsubscribe", "topics"]) assertEquals(name in conn, false);
    conn.abort();
  });
});
