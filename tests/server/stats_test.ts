import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ConnectionHost } from "../../src/server/connection_host.ts";
import type { ServerConnection, ServerEvent } from "../../src/server/mod.ts";
import { upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`conn.stats() over ${name}`, () => {
    it("counts bytes and messages", () =>
      withConnection({ message: (conn, data) => conn.send(data) }, async ({ client, conn }) => {
        const before = conn.stats();
        assertEquals([before.bytesReceived, before.messagesReceived], [0, 0]);
        client.sendText("Hello");
        assertEquals(await client.readMessage(), "Hello");
        client.sendPing("p");
        await client.readPong();
        const after = conn.stats();
        // 6 bytes of header in what a client sends, 2 in what it gets.
        assertEquals(after.bytesReceived, 11 + 7);
        assertEquals(after.bytesSent - before.bytesSent, 7 + 3);
        assertEquals([after.messagesReceived, after.messagesSent], [1, 1]);
        assertEquals([after.receiveQueueLength, after.bufferedAmount], [0, 0]);
      }));

    it("counts streams as messages, and what waits", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendText("one");
        client.sendText("two");
        await eventually("both", () => conn.stats().receiveQueueLength === 2);
        const messages = conn.messages();
        const { value } = await messages.next();
        await conn.sendStream("text", value!.body);
        assertEquals(await client.readMessage(), "one");
        const { messagesReceived, messagesSent, receiveQueueLength } = conn.stats();
        assertEquals([messagesReceived, messagesSent, receiveQueueLength], [2, 1, 1]);
      }));

    it("tells the round-trip time of the last ping", () =>
      withConnection({}, async ({ client, conn }) => {
        assertEquals(conn.stats().roundTripTimeMs, undefined);
        const ping = conn.ping();
        client.sendPong(await client.readPing());
        const roundTripTime = await ping;
        assertEquals(conn.stats().roundTripTimeMs, roundTripTime);
      }));
  });

  describe(`server.stats() and onEvent over ${name}`, () => {
    it("have a connection no longer in its close callback", async () => {
      const seen: unknown[] = [];
      let running!: Pick<ConnectionHost<unknown>, "connections" | "stats">;
      await withServer({
        message() {},
        close: (conn: ServerConnection) => {
          const { connections } = running;
          seen.push([connections.has(conn), connections.size, running.stats().connections]);
        },
      }, async (server) => {
        running = server.server;
        const { client } = await server.openPair();
        const other = await server.openPair();
        await client.close();
        await eventually("the callback", () => seen.length > 0);
        assertEquals(seen, [[false, 1, 1]]);
        await other.client.close(1000);
      });
    });

    it("tell of connections and refusals", () => {
      const events: ServerEvent[] = [];
      return withServer(
        { onEvent: (event) => void events.push(event), maxConnections: 2, message() {} },
        async (server) => {
          const first = await server.openPair();
          const second = await server.openPair();
          const refused = await server.request(upgradeRequest());
          assertEquals((await refused.readResponse()).status, 503);
          await refused.finish();
          const malformed = await server.request("nonsense\r\n\r\n");
          assertEquals((await malformed.readResponse()).status, 400);
          await malformed.finish();
          first.client.sendText("Hello");
          await first.client.close(1000);
          await first.conn.closed;
          second.client.socket.reset();
          await second.conn.closed;
          const { stats } = server.server;
          const read = () => stats.call(server.server);
          await eventually("both refusals", () => Object.keys(read().refused).length === 2);
          const { bytesSent, ...rest } = read();
          assert(bytesSent > 200);
          assertEquals(rest, {
            connections: 0,
            handshakes: 0,
            accepted: 2,
            refused: { 503: 1, 400: 1 },
            dropped: 0,
            closed: { 1000: 1, 1006: 1 },
            bytesReceived: 11 + 8,
            messagesReceived: 1,
            messagesSent: 0,
            topics: 0,
            subscriptions: 0,
            messagesDropped: 0,
            heldSize: 0,
          });
          const conns: ServerConnection[] = [first.conn, second.conn];
          const told = events.map((event) =>
            event.type === "open" || event.type === "close"
              ? `${event.type} ${conns.indexOf(event.conn)}`
              : event.type === "refuse"
              ? `${event.type} ${event.status}`
              : event.type
          );
          assertEquals(told.toSorted(), [
            "close 0",
            "close 1",
            "open 0",
            "open 1",
            "refuse 400",
            "refuse 503",
          ]);
          for (const event of events) {
            if (event.type === "refuse") assert(event.reason.length > 0 && event.remoteAddress);
            if (event.type === "close") assertEquals(event.info, await event.conn.closed);
          }
        },
      );
    });
  });
}

describe("onEvent", () => {
  it("tells of what is dropped past the handshakes there may be", () => {
    const events: ServerEvent[] = [];
    return withMemoryServer(
      { maxHandshakes: 1, onEvent: (event) => void events.push(event) },
      async (server) => {
        await server.request("GET");
        await server.request("GET");
        await settle();
        assertEquals(events.map(({ type }) => type), ["drop"]);
        assertEquals([server.server.stats().dropped, server.server.stats().handshakes], [1, 1]);
      },
    );
  });
});

describe("server.stats() of topics", () => {
  it("counts those with subscribers, subscriptions, and what slow subscribers did not get", () =>
    withMemoryServer({
      limits: { sendHighWaterMark: 1_000, sendQueueSize: 10_000 },
      memoryBudget: false,
    }, async (server) => {
      const read = () => {
        const { topics, subscriptions, messagesDropped } = server.server.stats();
        return [topics, subscriptions, messagesDropped];
      };
      assertEquals(read(), [0, 0, 0]);
      const first = await server.openPair();
      const second = await server.openPair();
      first.conn.subscribe("a");
      second.conn.subscribe("a");
      second.conn.subscribe("b");
      // Once more, with other options: it is the same one.
      second.conn.subscribe("b", { lag: "latest" });
      assertEquals(read(), [2, 3, 0]);
      second.conn.unsubscribe("a");
      second.conn.unsubscribe("a");
      assertEquals(read(), [2, 2, 0]);

      const dropped: number[] = [];
      for (
        const [lag, queueSize] of [
          ["drop-oldest", 2_000],
          ["drop-newest", 2_000],
          ["latest", undefined],
          ["close", undefined],
        ] as const
      ) {
        const { client, conn } = await server.openPair();
        const subscription = conn.subscribe("c", { lag, queueSize });
        client.socket.pause();
        for (let i = 0; i < 20; i++) {
          server.server.publish("c", "x".repeat(1_000));
          await settle();
        }
        assert(subscription.dropped > 0);
        dropped.push(subscription.dropped);
        client.socket.reset();
        await conn.closed;
        // Also of those that are gone.
        assertEquals(read(), [2, 2, dropped.reduce((sum, count) => sum + count)]);
      }
      first.client.socket.reset();
      second.client.socket.reset();
      await Promise.all([first.conn.closed, second.conn.closed]);
      assertEquals(read(), [0, 0, dropped.reduce((sum, count) => sum + count)]);
    }));
});
