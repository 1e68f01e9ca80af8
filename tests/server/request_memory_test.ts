import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RawClient } from "../support/raw_client.ts";
import { httpRequest } from "../support/requests.ts";
import { MemoryHarness, TRANSPORTS } from "../support/transports.ts";
import { streamOf } from "../support/stream_of.ts";
import { settle, turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const KiB = 1024;
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
