import { describe, it } from "node:test";
import { createServer } from "node:http";
import { connect as connectSocket } from "node:net";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { serve } from "../../mod.ts";
import { connect, ConnectError, reconnecting } from "../../src/runtimes/shared/client.ts";
import { mount } from "../../src/runtimes/node/mount.ts";
import type { Connection, Server } from "../../src/server/mod.ts";
import { connectedPair, FakeClock, MemoryNetwork, receiveMessage } from "../../src/testing/mod.ts";
import { withReplacedTimers } from "./replaced_timers.ts";

// What is loaded only when it is needed is loaded after the timers were replaced, and works all the same.

type Network = Pick<MemoryNetwork, "serve" | "connect" | "reconnecting">;

const NETWORKS: [name: string, create: () => Network][] = [
  ["memory", () => new MemoryNetwork()],
  ["TCP", () => ({ serve, connect, reconnecting })],
];

function urlOf(server: Server<unknown>): string {
  const { addr } = server;
  return `ws://127.0.0.1:${addr.transport === "tcp" ? addr.port : 0}/`;
}

async function receive(conn: Connection<unknown>, count: number): Promise<string[]> {
  const messages: string[] = [];
  while (messages.length < count) messages.push(String(await receiveMessage(conn)));
  return messages;
}

const LOCAL = { port: 0, hostname: "127.0.0.1" };
const TEXTS = ["a", "b", "c", "d"];

for (const [name, create] of NETWORKS) {
  describe(`with all timers replaced, over ${name}`, () => {
    it("a callback, a handler and streams echo", () =>
      withReplacedTimers(async () => {
        const network = create();
        const servers = [
          await network.serve({ ...LOCAL, message: (conn, data) => conn.send(data) }),
          await network.serve(LOCAL, async (conn) => {
            for await (const message of conn) await conn.send(message);
          }),
          await network.serve(LOCAL, (conn) => conn.readable.pipeTo(conn.writable)),
          await network.serve({ ...LOCAL, compression: true }, async (conn) => {
            for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
          }),
        ];
        for (const server of servers) {
          const conn = await network.connect(urlOf(server), { compression: true });
          for (const text of TEXTS) await conn.send(text);
          assertEquals(await receive(conn, TEXTS.length), TEXTS);
          // More than fits any buffer, so that both sides have to wait.
          const large = "x".repeat(1_000_000);
          for (let i = 0; i < 3; i++) {
            await conn.send(large);
            assertEquals((await receive(conn, 1))[0].length, large.length);
          }
          assert(await conn.ping() >= 0);
          assertEquals((await conn.close()).wasClean, true);
          await server.shutdown();
        }
      }));

    it("asWebSocket() gives every message", () =>
      withReplacedTimers(async () => {
        const network = create();
        const server = await network.serve(LOCAL, async (conn) => {
          const socket = conn.asWebSocket();
          socket.onmessage = ({ data }) => socket.send(data);
          await conn.closed;
        });
        const conn = await network.connect(urlOf(server));
        const socket = conn.asWebSocket();
        await new Promise((resolve) => socket.onopen = resolve);
        const received: string[] = [];
        const all = new Promise<void>((resolve) => {
          socket.onmessage = ({ data }) => {
            received.push(data);
            if (received.length === TEXTS.length) resolve();
          };
        });
        for (const text of TEXTS) socket.send(text);
        await all;
        assertEquals(received, TEXTS);
        socket.close();
        await conn.closed;
        await server.shutdown();
      }));

    it("publish() delivers, to the fast and the slow, with presence and resume", () =>
      withReplacedTimers(async () => {
        const network = create();
        const server = await network.serve({
          ...LOCAL,
          resume: true,
          presence: { notice: ({ type, key }) => `${type} ${key}` },
          upgrade: (request) => ({ data: new URL(request.url).search }),
          open(conn) {
            conn.subscribe("news", { lag: "drop-oldest", presence: { key: conn.data } });
          },
        });
        const first = await network.connect(`${urlOf(server)}?ada`);
        await first.ping();
        const second = await network.connect(`${urlOf(server)}?ben`);
        assertEquals(await receive(first, 1), ["join ?ben"]);
        for (const text of TEXTS) server.publish("news", text);
        for (const conn of [first, second]) {
          assertEquals(await receive(conn, TEXTS.length), TEXTS);
        }
        assertEquals((await server.presence("news")).length, 2);
        await Promise.all([first.close(), second.close()]);
        await server.shutdown();
      }));

    it("deadlines pass, by the real time", () =>
      withReplacedTimers(async () => {
        const network = create();
        const closed = Promise.withResolvers<number>();
        const strict = await network.serve({
          ...LOCAL,
          keepAlive: { intervalMs: 20, timeoutMs: 20 },
          closeTimeoutMs: 50,
          rateLimits: { messagesPerSecond: 10 },
          message: (conn, data) => conn.send(data),
          close: (_, { closeCode }) => closed.resolve(closeCode),
        });
        // One that is not iterated over reads no more, and so answers no Ping, nor the Close frame.
        const silent = await network.connect(urlOf(strict), {
          limits: { receiveQueueMessages: 1 },
        });
        for (let i = 0; i < 15; i++) await silent.send("a");
        assertEquals(await closed.promise, 1006);
        silent.abort();
        await strict.shutdown();
        const server = await network.serve({ ...LOCAL, message() {} });
        const conn = await network.connect(urlOf(server));
        void conn.closed.then(() => {});
        await server.shutdown({ timeoutMs: 50, spreadMs: 20 });
        assertEquals((await conn.closed).closeCode, 1001);
        await assertRejects(() => network.connect(urlOf(server)), ConnectError);
      }));

    it("reconnecting() waits and connects again", () =>
      withReplacedTimers(async () => {
        const network = create();
        const server = await network.serve({
          ...LOCAL,
          open: (conn) => void conn.close({ closeCode: 1001 }),
        });
        const delays: number[] = [];
        let opened = 0;
        const options = {
          minDelayMs: 1,
          maxDelayMs: 2,
          onRetry: ({ delayMs }: { delayMs: number }) => void delays.push(delayMs),
        };
        for await (const _ of network.reconnecting(urlOf(server), options)) {
          if (++opened === 3) break;
        }
        assertEquals(delays.length, 2);
        await server.shutdown();
      }));
  });
}

describe("with all timers replaced", () => {
  it("the response to a plain request has the real date", () =>
    withReplacedTimers(async () => {
      const server = await serve({ ...LOCAL, message() {} });
      assert(server.addr.transport === "tcp");
      const socket = connectSocket(server.addr.port, "127.0.0.1");
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      let text = "";
      socket.on("data", (bytes) => text += bytes);
      await once(socket, "end");
      socket.end();
      const [, year] = /^Date: \w+, \d+ \w+ (\d+)/m.exec(text) ?? [];
      assertGreater(Number(year), 2020, text);
      await server.shutdown();
    }));

  it("TLS works", () =>
    withReplacedTimers(async () => {
      const read = (name: string) =>
        readFile(new URL(`../support/tls/${name}`, import.meta.url), "utf8");
      const tls = { cert: await read("issued.pem"), key: await read("issued_key.pem") };
      const server = await serve({ ...LOCAL, tls, message: (conn, data) => conn.send(data) });
      assert(server.addr.transport === "tcp");
      const conn = await connect(`wss://localhost:${server.addr.port}/`, {
        tls: { ca: await read("ca.pem") },
      });
      for (const text of TEXTS) await conn.send(text);
      assertEquals(await receive(conn, TEXTS.length), TEXTS);
      await conn.close();
      await server.shutdown();
    }));

  it("a server on that of node:http echoes, and publishes", () =>
    withReplacedTimers(async () => {
      const mounted = await mount({
        open: (conn) => void conn.subscribe("news"),
        message(_, data) {
          mounted.publish("news", data);
        },
      });
      const http = createServer();
      mounted.attach(http, { path: "/" });
      http.listen(0, "127.0.0.1");
      await once(http, "listening");
      const conn = await connect(`ws://127.0.0.1:${(http.address() as { port: number }).port}/`);
      for (const text of TEXTS) await conn.send(text);
      assertEquals(await receive(conn, TEXTS.length), TEXTS);
      await conn.close();
      await mounted.shutdown();
      http.close();
    }));

  it("a FakeClock moves, and nothing else moves what goes by it", () =>
    withReplacedTimers(async () => {
      const clock = new FakeClock();
      const { server, link } = await connectedPair({ clock });
      link.stall();
      await clock.advance(39_000);
      assertEquals(server.state, "open");
      await clock.advance(2_000);
      assertEquals((await server.closed).closeCode, 1006);
    }));
});
