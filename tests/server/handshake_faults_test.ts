import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { CloseInfo } from "../../src/server/mod.ts";
import { Hook } from "../support/hook.ts";
import { textFrame, utf8 } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const REQUEST = utf8(upgradeRequest());

for (const { name, withServer } of TRANSPORTS) {
  describe(`a client that leaves during the handshake over ${name}`, () => {
    it("by FIN at every byte of the request: 400, or nothing where none has come", () =>
      withServer({}, async (server) => {
        await Promise.all(Array.from(REQUEST, async (_, length) => {
          const client = await server.connect();
          if (length > 0) client.send(REQUEST.subarray(0, length));
          client.socket.end();
          if (length > 0) assertEquals((await client.readResponse()).status, 400);
          assertEquals((await client.readToEnd()).length, 0);
          await client.untilClosed();
          assertEquals(client.error, undefined);
        }));
      }));

    it("by RST at every byte of the request", () => {
      let calls = 0;
      return withServer({ upgrade: () => (calls++, {}) }, async (server) => {
        await Promise.all(Array.from(REQUEST, async (_, length) => {
          const client = await server.connect();
          if (length > 0) client.send(REQUEST.subarray(0, length));
          await settle(1);
          client.socket.reset();
        }));
        await settle();
        assertEquals(calls, 0);
        assertEquals((await server.open()).isClosed, false);
      });
    });

    it("by FIN with the whole request: the WebSocket is opened, and ends with 1006", () => {
      const ends: CloseInfo[] = [];
      const close = (_: unknown, info: CloseInfo) => void ends.push(info);
      return withServer({ close }, async (server) => {
        const client = await server.request(upgradeRequest());
        client.socket.end();
        assertEquals((await client.readHead()).status, 101);
        assertEquals((await client.readToEnd()).length, 0);
        await client.untilClosed();
        await eventually("the close callback", () => ends.length > 0);
        assertEquals(ends, [
          { closeCode: 1006, reason: "", wasClean: false, initiator: "remote" },
        ]);
      });
    });

    it("by FIN while the hook is awaited: messages before it are received", () => {
      const hook = new Hook<object>();
      const received: unknown[] = [];
      const message = (_: unknown, data: unknown) => void received.push(data);
      return withServer({ upgrade: hook.call, message }, async (server) => {
        const client = await server.request(upgradeRequest(), textFrame("a"));
        client.send(textFrame("b"));
        client.socket.end();
        await settle();
        assertEquals(client.receivedSize, 0);
        hook.resolve({});
        assertEquals((await client.readHead()).status, 101);
        assertEquals((await client.readToEnd()).length, 0);
        await client.untilClosed();
        assertEquals(received, ["a", "b"]);
      });
    });

    it("by RST while the hook is awaited: no WebSocket is left when it returns", () => {
      const hook = new Hook<object>();
      let open = 0;
      const setup = { upgrade: hook.call, open: () => void open++, close: () => void open-- };
      return withServer(setup, async (server) => {
        const client = await server.request(upgradeRequest(), textFrame("a"));
        await hook.untilCalled();
        client.socket.reset();
        hook.resolve({});
        await server.open();
        await eventually("one connection to be left", () => server.server.connections.size === 1);
        assertEquals(open, 1);
      });
    });
  });
}

describe("a client that leaves during the handshake in memory", () => {
  it("by RST while the key is computed: nothing is written, nothing opened", () => {
    let opened = 0;
    return withMemoryServer({ open: () => void opened++ }, async (server) => {
      const client = await server.request(upgradeRequest(), textFrame("a"));
      client.socket.reset();
      await server.open();
      await settle(10);
      assertEquals(opened, 1);
      assertEquals(server.channelOf(client).writes, []);
      assertEquals(server.server.connections.size, 1);
    });
  });

  it("by RST at every byte of the response and behind it, taken in short writes", () =>
    withMemoryServer({}, async (server) => {
      const length = (await server.open()).receivedSize;
      for (let taken = 0; taken <= length; taken++) {
        const client = await server.connect();
        client.socket.pause();
        client.send(upgradeRequest());
        const channel = server.channelOf(client);
        await eventually("the response", () => channel.isBlocked);
        client.socket.take(taken);
        client.socket.reset();
        await settle(1);
        assertEquals(server.server.connections.size, 1);
        assertEquals(channel.outgoingSize, 0);
      }
    }));
});
