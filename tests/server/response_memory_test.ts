import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ServerEvent } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import type { RawClient } from "../support/raw_client.ts";
import { httpRequest } from "../support/requests.ts";
import { streamOf } from "../support/stream_of.ts";
import { MemoryHarness, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle, turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const KiB = 1024;
const SIZE = 17 * 1024 * KiB;
/** A stream of one chunk, as a runtime may make one of a large array. */
const whole = (size: number) => () => new Response(streamOf([new Uint8Array(size)]));

/** Asks for a response of which only the head is taken. */
async function requestUnread(server: MemoryHarness<unknown>): Promise<RawClient<MemorySocket>> {
  const client = await server.connect();
  client.socket.pause();
  client.send(httpRequest());
  await settle();
  client.socket.take(200);
  return client;
}

for (const { name, withServer } of TRANSPORTS) {
  describe(`responses of more than the memory there is, over ${name}`, () => {
    it("come whole to those that read them, and nobody else is hindered", () => {
      const events: ServerEvent[] = [];
      const body = new Uint8Array(SIZE);
      return withServer(
        { fetch: () => new Response(body), onEvent: (event) => void events.push(event) },
        async (server) => {
          const { client: other, conn } = await server.openPair();
          // The beginning of a message of 1 MiB.
          const unfinished = new Uint8Array(14 + 900 * KiB);
          unfinished.set([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0]);
          other.send(unfinished);
          await eventually("it", () => server.server.stats().heldSize >= 900 * KiB);
          const clients = await Promise.all(Array.from({ length: 3 }, () => {
            return server.request(httpRequest());
          }));
          await Promise.all(clients.map(async (client) => {
            assertEquals((await client.readHead()).status, 200);
            assertEquals((await client.readToEnd()).length, SIZE);
          }));
          assertEquals(conn.state, "open");
          assertEquals(events.map(({ type }) => type), ["open"]);
        },
      );
    });
  });
}

describe("a response that the client does not read", () => {
  it("is cut after two seconds where memory is short, which is told", () => {
    const events: ServerEvent[] = [];
    const memoryBudget = { size: 10_000 * KiB, sizePerConnection: 0 };
    const onEvent = (event: ServerEvent) => void events.push(event);
    return withMemoryServer({ fetch: whole(8192 * KiB), memoryBudget, onEvent }, async (server) => {
      const clients = [await server.connect(), await server.connect()];
      for (const client of clients) {
        client.socket.pause();
        client.send(httpRequest());
      }
      await settle();
      // The heads are taken, and nothing else.
      for (const client of clients) client.socket.take(200);
      await settle();
      assertEquals(server.server.stats().heldSize, 2 * 8192 * KiB);
      await server.clock.advance(1_999);
      assertEquals([server.server.stats().handshakes, events], [2, []]);
      await server.clock.advance(1);
      assertEquals(server.server.stats().handshakes, 1);
      assertEquals(events.map(({ type }) => type), ["drop"]);
      assertEquals(server.server.stats().dropped, 1);
      const errors = server.takeErrors();
      assertEquals(errors.length, 1);
      assertMatch(String(errors[0]), /rest of the response.*short of memory/);
      const cut = clients.find(({ isClosed }) => isClosed);
      assert(cut?.error instanceof Error);
      const other = clients.find(({ isClosed }) => !isClosed)!;
      other.socket.resume();
      await other.readHead();
      assertEquals((await other.readToEnd()).length, 8192 * KiB);
      assertEquals(server.server.stats().heldSize, 0);
    });
  });

  it("is not cut where nobody else needs the memory", () =>
    withMemoryServer({ fetch: whole(SIZE) }, async (server) => {
      const client = await requestUnread(server);
      await settle();
      await server.clock.advance(9_000);
      assertEquals(server.server.stats().heldSize, SIZE);
      client.socket.resume();
      await client.readHead();
      assertEquals((await client.readToEnd()).length, SIZE);
    }));

  it("is not cut while the client takes a piece a second, however short memory is", () => {
    const memoryBudget = { size: 500 * KiB, sizePerConnection: 0 };
    return withMemoryServer({ fetch: whole(1024 * KiB), memoryBudget }, async (server) => {
      const client = await requestUnread(server);
      for (let i = 0; i < 16; i++) {
        await settle();
        await server.clock.advance(1_000);
        assertEquals(server.server.budget!.held, 0);
        client.socket.take(64 * KiB);
      }
      client.socket.resume();
      await client.readHead();
      assertEquals((await client.readToEnd()).length, 1024 * KiB);
    });
  });

  it("gives back what it counts where the client reads on", () => {
    const memoryBudget = { size: 10_000 * KiB, sizePerConnection: 0 };
    return withMemoryServer({ fetch: whole(1024 * KiB), memoryBudget }, async (server) => {
      const client = await requestUnread(server);
      await settle();
      await server.clock.advance(2_000);
      assertEquals(server.server.budget!.held, 1024 * KiB);
      client.socket.take(100 * KiB);
      assertEquals(server.server.budget!.held, 0);
    });
  });
});

describe("a head that is not finished where memory is short", () => {
  it("is dropped, which is told", () => {
    const events: ServerEvent[] = [];
    const memoryBudget = { size: 1_000, sizePerConnection: 0 };
    const onEvent = (event: ServerEvent) => void events.push(event);
    return withMemoryServer({ memoryBudget, onEvent }, async (server) => {
      const client = await server.request(`GET / HTTP/1.1\r\nHost: ${"x".repeat(1_100)}`);
      await client.untilClosed();
      assertEquals(events.map(({ type }) => type), ["drop"]);
      assertEquals(server.server.stats().dropped, 1);
    });
  });
});

const post = (length: number) =>
  httpRequest({ method: "POST", headers: { "Content-Length": String(length) } });

for (const { name, withServer } of TRANSPORTS) {
  describe(`the body of a request over ${name}`, () => {
    it("counts until its response is done", () => {
      const gate = Promise.withResolvers<void>();
      const fetch = () => gate.promise.then(() => new Response("here"));
      return withServer({ fetch }, async (server) => {
        const client = await server.request(post(100 * KiB), new Uint8Array(100 * KiB));
        const held = () => server.server.stats().heldSize;
        await eventually("the body", () => held() === 150 * KiB);
        for (let i = 0; i < 5; i++) await settle();
        assertEquals(held(), 150 * KiB);
        gate.resolve();
        assertEquals((await client.readResponse()).body, "here");
        await eventually("its end", () => held() === 0);
      });
    });

    it("counts, and keeps its place, where the client leaves before the hook is done", () => {
      const gate = Promise.withResolvers<void>();
      let isCalled = false;
      const fetch = async () => {
        isCalled = true;
        await gate.promise;
        return new Response("here");
      };
      return withServer({ fetch, maxHandshakes: 1 }, async (server) => {
        const client = await server.request(post(100 * KiB), new Uint8Array(100 * KiB));
        const held = () => server.server.stats().heldSize;
        await eventually("the hook", () => isCalled);
        client.socket.reset();
        for (let i = 0; i < 5; i++) await settle();
        assertEquals([held(), server.server.stats().handshakes], [150 * KiB, 1]);
        gate.resolve();
        await eventually("its end", () => held() === 0);
        assertEquals(server.server.stats().handshakes, 0);
      });
    });

    it("waits, and is refused, where hooks hold most of the memory", () => {
      let calls = 0;
      let most = 0;
      const gate = Promise.withResolvers<void>();
      const fetch = async () => {
        calls++;
        await gate.promise;
        return new Response("here");
      };
      const memoryBudget = { size: 4096 * KiB, sizePerConnection: 0 };
      const limits = { maxMessageSize: 256 * KiB };
      const maxRequestBodySize = 256 * KiB;
      return withServer({ fetch, memoryBudget, limits, maxRequestBodySize }, async (server) => {
        const clients: RawClient[] = [];
        for (let i = 0; i < 60; i++) {
          const client = await server.request(post(256 * KiB));
          clients.push(client);
          // Piece by piece, as a network brings it.
          for (let piece = 0; piece < 16 && !client.hasSentEnd; piece++) {
            client.send(new Uint8Array(16 * KiB));
            if (piece % 4 === 3) await settle();
          }
          most = Math.max(most, server.server.stats().heldSize);
        }
        const isRefused = ({ unreadSize }: RawClient) => unreadSize > 0;
        while (calls + clients.filter(isRefused).length < 60) {
          if (server instanceof MemoryHarness) await server.clock.advance(100);
          await turn();
          most = Math.max(most, server.server.stats().heldSize);
        }
        // One read of each may come on top.
        assert(most <= memoryBudget.size + 60 * 64 * KiB, `${most} bytes were held`);
        assert(calls >= 4 && calls <= 16, `${calls} were served at once`);
        const refused = clients.filter(isRefused);
        for (const client of refused) assertEquals((await client.readResponse()).status, 503);
        gate.resolve();
        for (const client of clients.filter((each) => !refused.includes(each))) {
          assertEquals((await client.readResponse()).status, 200);
        }
        await eventually("their end", () => server.server.stats().heldSize === 0);
      });
    });
  });
}

describe("the body of a response", () => {
  it("counts while the client does not read it, and is dropped where memory is short", () => {
    const size = 8192 * KiB;
    const fetch = () => new Response(streamOf([new Uint8Array(size)]));
    const memoryBudget = { size: 10_000 * KiB, sizePerConnection: 0 };
    const overSockets = TRANSPORTS.find(({ name }) => name === "sockets")!;
    return overSockets.withServer({ fetch, memoryBudget }, async (server) => {
      const held = () => server.server.stats().heldSize;
      const clients: RawClient[] = [];
      for (let i = 0; i < 2; i++) {
        const client = await server.connect();
        client.socket.pause();
        client.send(httpRequest());
        clients.push(client);
        await eventually("its body", () => held() === size * (i + 1));
      }
      await eventually("one to be cut", () => server.server.stats().handshakes === 1);
      assertMatch(String(server.takeErrors()), /short of memory/);
      assertEquals(held(), size);
      for (const client of clients) client.socket.resume();
      const isWhole = ({ unreadSize }: RawClient) => unreadSize > size;
      await eventually("the other to be served", () => clients.some(isWhole));
    });
  });
});
