import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo } from "../../src/server/mod.ts";
import { clientFrame, utf8 } from "../support/raw_client.ts";
import { type MemoryEnds, type Setup, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

const DROPPED: CloseInfo = {
  closeCode: 1006,
  reason: "The peer is silent: no answer to a Ping",
  wasClean: false,
  initiator: "local",
};

/** Runs a server that pings every 100 ms, and waits for 60 ms. */
function withKeepAlive(
  body: (ends: MemoryEnds) => Promise<void>,
  setup: Setup<unknown> = {},
): Promise<void> {
  return withConnection({ keepAlive: { intervalMs: 100, timeoutMs: 60 }, ...setup }, body);
}

describe("keep-alive", () => {
  it("pings every interval, as long as the client answers", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      for (let i = 0; i < 10; i++) {
        await clock.advance(99);
        assertEquals(client.unreadSize, 0);
        await clock.advance(1);
        client.sendPong(await client.readPing());
      }
      assertEquals(conn.state, "open");
    }));

  it("drops a silent client with 1006, and rejects what waits", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      const ping = watch(conn.ping());
      const next = watch(conn[Symbol.asyncIterator]().next());
      await clock.advance(100);
      assertEquals(await client.readPing() === await client.readPing(), false);
      await clock.advance(59);
      assertEquals(conn.state, "open");
      await clock.advance(1);
      assertEquals(await conn.closed, DROPPED);
      assertEquals([client.isClosed, client.hasEnded], [true, false]);
      assertEquals([ping.state, next.state], ["rejected", "resolved"]);
      assertEquals(clock.pending, []);
    }));

  it("counts any byte for an answer, also a part of a frame", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      const frame = clientFrame({ opcode: 2, payload: utf8("x".repeat(100)) });
      for (const byte of frame.subarray(0, 20)) {
        await clock.advance(100);
        client.send(Uint8Array.of(byte));
      }
      assertEquals(conn.state, "open");
      await clock.advance(160);
      assertEquals(await conn.closed, DROPPED);
    }));

  it("does not count what came before the Ping", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      await clock.advance(99);
      client.sendText("just before");
      await clock.advance(61);
      assertEquals(await conn.closed, DROPPED);
    }));

  it("keeps the interval where the answer is late", () =>
    withKeepAlive(async ({ client, clock }) => {
      await clock.advance(100);
      for (let i = 0; i < 5; i++) {
        const payload = await client.readPing();
        await clock.advance(50);
        client.sendPong(payload);
        await clock.advance(49);
        assertEquals(client.unreadSize, 0);
        await clock.advance(1);
      }
    }));

  it("may wait longer than it pings", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      for (let i = 0; i < 3; i++) {
        await clock.advance(10);
        client.sendPong(await client.readPing());
        // The next one goes out when it is known that the client is there.
        await clock.advance(50);
      }
      assertEquals(conn.state, "open");
      await clock.advance(60);
      assertEquals(await conn.closed, DROPPED);
    }, { keepAlive: { intervalMs: 10, timeoutMs: 50 } }));

  it("does not drop a client while this side does not read", () =>
    withKeepAlive(async ({ client, conn, clock, channel }) => {
      client.sendText("a");
      client.sendText("b");
      assertEquals(channel.isPaused, true);
      await clock.advance(1000);
      assertEquals(conn.state, "open");
      // Its Pong lay unread.
      client.sendPong("?");
      const messages = conn[Symbol.asyncIterator]();
      await messages.next();
      await messages.next();
      void messages.next();
      assertEquals(channel.isPaused, false);
      await clock.advance(70);
      assertEquals(conn.state, "open");
      await clock.advance(1000);
      assertEquals(await conn.closed, DROPPED);
    }, { limits: { receiveQueueMessages: 1 } }));

  it("gives a client its time again when this side reads on", () =>
    withKeepAlive(async ({ client, conn, clock, channel }) => {
      const messages = conn[Symbol.asyncIterator]();
      client.sendText("a");
      await clock.advance(159);
      // It is read 1 ms before the time is over.
      await messages.next();
      void messages.next();
      assertEquals(channel.isPaused, false);
      await clock.advance(1);
      assertEquals(conn.state, "open");
      client.sendPong("here");
      await clock.advance(60);
      assertEquals(conn.state, "open");
    }, { limits: { receiveQueueMessages: 1 } }));

  it("forgives a stall of this process, once", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      await clock.advance(100);
      await client.readPing();
      // What the client answered meanwhile lies unread, as the timers come first.
      await clock.stall(5_000);
      assertEquals(conn.state, "open");
      client.sendPong("?");
      await clock.advance(60);
      assertEquals(conn.state, "open");
    }));

  it("drops a client that is silent after a stall too", () =>
    withKeepAlive(async ({ conn, clock }) => {
      await clock.advance(100);
      await clock.stall(5_000);
      assertEquals(conn.state, "open");
      await clock.advance(59);
      assertEquals(conn.state, "open");
      await clock.advance(1);
      assertEquals(await conn.closed, DROPPED);
    }));

  for (const stallMs of [45, 60, 90, 1_000]) {
    it(`drops a client that is gone though this process is busy for ${stallMs} ms again and again`, () =>
      withKeepAlive(async ({ server, client, conn, clock }) => {
        const alive = await server.openPair();
        await clock.advance(100);
        await client.readPing();
        let stalls = 0;
        while (conn.state === "open" && stalls < 100) {
          alive.client.sendText("x");
          await clock.stall(stallMs);
          stalls++;
        }
        // Four times the timeout of 60 ms, each in two parts that a stall makes longer.
        assert(stalls <= 4 * (Math.ceil(60 / stallMs) + 1), `${stalls} stalls`);
        assertEquals(await conn.closed, DROPPED);
        assertEquals(alive.conn.state, "open");
      }));
  }

  it("with a timer that is a little late, drops all the same", () =>
    withKeepAlive(async ({ conn, clock }) => {
      await clock.advance(130);
      await clock.stall(31);
      assertEquals(await conn.closed, DROPPED);
    }));

  it("can be turned off: no timer, no Ping", async () => {
    const settings = [false, { intervalMs: Infinity }] as const;
    for (const keepAlive of settings) {
      await withConnection({ keepAlive }, async ({ client, conn, clock }) => {
        assertEquals(clock.pending, []);
        await clock.advance(10_000_000);
        assertEquals([client.unreadSize, conn.state], [0, "open"]);
      });
    }
  });

  it("does not count time in which as much waits for a callback as may", () => {
    const message = () => new Promise<void>(() => {});
    return withKeepAlive(async ({ client, conn, clock }) => {
      for (let i = 0; i < 3; i++) client.sendText("a");
      await clock.advance(100);
      await client.readPing();
      await clock.advance(1_000);
      assertEquals(conn.state, "open");
    }, { message, limits: { receiveQueueMessages: 2 } });
  });

  it("sends no Ping behind a Close frame", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      void conn.close();
      await client.readClose();
      await clock.advance(100);
      assertEquals(client.unreadSize, 0);
    }, { closeTimeoutMs: 10_000 }));

  it("sends no Ping behind FIN", () =>
    withKeepAlive(async ({ client, clock }) => {
      client.socket.pause();
      client.socket.end();
      await clock.advance(150);
      client.socket.resume();
      assertEquals((await client.readToEnd()).length, 0);
    }, { closeTimeoutMs: 10_000 }));

  it("stops with the connection", () =>
    withKeepAlive(async ({ client, clock }) => {
      assertEquals(clock.pending, [100]);
      await client.close();
      assertEquals(clock.pending, []);
    }));

  it("holds nothing of Pings that are never answered", () =>
    withKeepAlive(async ({ client, conn, clock }) => {
      let total = 0;
      for (let i = 0; i < 50; i++) {
        await clock.advance(100);
        total += (await client.readPing()).length;
        client.sendText("alive");
      }
      assert(total < 500);
      assertEquals(conn.state, "open");
    }, { message() {} }));

  it("is for each connection", () =>
    withKeepAlive(async ({ server, clock, ...first }) => {
      await clock.advance(50);
      const second = await server.openPair();
      await clock.advance(50);
      first.client.sendPong(await first.client.readPing());
      await clock.advance(50);
      second.client.sendPong(await second.client.readPing());
      await settle();
      assertEquals([first.conn.state, second.conn.state], ["open", "open"]);
      await clock.advance(59);
      first.client.sendPong("?");
      await clock.advance(51);
      assertEquals([first.conn.state, second.conn.state], ["open", "open"]);
    }));
});
