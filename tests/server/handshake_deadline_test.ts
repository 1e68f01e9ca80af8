import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, RequestInfo } from "../../src/server/mod.ts";
import { Hook, untilAborted } from "../support/hook.ts";
import { textFrame, utf8 } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";
import { settle } from "../support/turn.ts";

describe("the deadline of the handshake", () => {
  it("drops a client that sends nothing, without a response", () =>
    withMemoryServer({}, async (server) => {
      const client = await server.connect();
      assertEquals(server.clock.pending, [10_000]);
      await server.clock.advance(9_999);
      assertEquals(client.isClosed, false);
      await server.clock.advance(1);
      await client.untilClosed();
      assertEquals([client.receivedSize, client.hasEnded], [0, false]);
      assertEquals(server.clock.pending, []);
    }));

  it("answers 408 where a request has begun", () =>
    withMemoryServer({ handshakeTimeoutMs: 50 }, async (server) => {
      const client = await server.request("G");
      await server.clock.advance(49);
      assertEquals(client.receivedSize, 0);
      await server.clock.advance(1);
      const { status, headers, body } = await client.readResponse();
      assertEquals([status, headers.get("connection")], [408, "close"]);
      assertEquals(body, "Cannot accept the request: it took too long\n");
      await client.finish();
    }));

  it("is not extended by traffic", () =>
    withMemoryServer({}, async (server) => {
      const client = await server.connect();
      for (const character of upgradeRequest().slice(0, 20)) {
        client.send(character);
        if (client.hasEnded) break;
        await server.clock.advance(1_000);
      }
      assertEquals(server.clock.now() - 1_000_000, 10_000);
      assertEquals((await client.readResponse()).status, 408);
    }));

  for (const [name, request] of [["upgrade", upgradeRequest()], ["fetch", httpRequest()]]) {
    it(`holds while the ${name} hook is awaited, and aborts its signal`, () => {
      const hook = new Hook<never>();
      return withMemoryServer({ [name]: hook.call }, async (server) => {
        const client = await server.request(request);
        await server.clock.advance(9_999);
        assertEquals([hook.signal.aborted, client.receivedSize], [false, 0]);
        await server.clock.advance(1);
        assertEquals((await client.readResponse()).status, 408);
        assertEquals((hook.signal.reason as DOMException).name, "TimeoutError");
        await client.finish();
      });
    });
  }

  it("holds while the body of a request arrives", () =>
    withMemoryServer({ fetch: () => new Response() }, async (server) => {
      const client = await server.request(
        httpRequest({ method: "POST", headers: { "Content-Length": "20" } }),
      );
      for (let i = 0; i < 10; i++) {
        client.send("x");
        await server.clock.advance(1_000);
      }
      assertEquals((await client.readResponse()).status, 408);
    }));

  it("answers 408 behind a 100 that the client has not read yet", () =>
    withMemoryServer({ fetch: () => new Response() }, async (server) => {
      const client = await server.connect();
      client.socket.pause();
      await server.clock.advance(5_000);
      const headers = { "Content-Length": "5", Expect: "100-continue" };
      client.send(httpRequest({ method: "POST", headers }));
      await server.clock.advance(5_000);
      client.socket.resume();
      assertEquals((await client.readHead()).status, 100);
      assertEquals((await client.readResponse()).status, 408);
      await client.finish();
    }));

  for (const result of [{}, new Response("no", { status: 403 })]) {
    it(`ignores a hook that gives ${result instanceof Response ? "a Response" : "{}"} later`, () => {
      const { promise, resolve } = Promise.withResolvers<Response | object>();
      let opened = 0;
      const setup = { upgrade: () => promise, open: () => void opened++ };
      return withMemoryServer(setup, async (server) => {
        const client = await server.request(upgradeRequest(), textFrame("a"));
        await server.clock.advance(10_000);
        assertEquals((await client.readResponse()).status, 408);
        resolve(result);
        await settle(10);
        assertEquals([opened, client.unreadSize], [0, 0]);
        await client.finish();
      });
    });
  }

  it("ignores a hook that throws later, but reports it", () => {
    const { promise, reject } = Promise.withResolvers<never>();
    return withMemoryServer({ upgrade: () => promise }, async (server) => {
      const client = await server.request(upgradeRequest());
      await server.clock.advance(10_000);
      assertEquals((await client.readResponse()).status, 408);
      reject(new Error("too late"));
      await settle();
      await client.finish();
      assertEquals(server.takeErrors().map(String), ["Error: too late"]);
    });
  });

  it("does not report a hook that gives up with its signal", () => {
    const upgrade = (_: Request, { signal }: RequestInfo) => untilAborted(signal);
    return withMemoryServer({ upgrade }, async (server) => {
      const client = await server.request(upgradeRequest());
      await server.clock.advance(10_000);
      assertEquals((await client.readResponse()).status, 408);
      const other = await server.request(upgradeRequest());
      other.socket.reset();
      await settle();
      assertEquals(server.takeErrors(), []);
    });
  });

  it("is over once the WebSocket is open", () =>
    withMemoryServer({ keepAlive: false }, async (server) => {
      await server.open();
      assertEquals(server.clock.pending, []);
    }));
});

describe("a client that does not end after its response", () => {
  it("is dropped after closeTimeoutMs, whatever it sends", () =>
    withMemoryServer({ closeTimeoutMs: 3_000 }, async (server) => {
      const client = await server.request("?");
      await client.readResponse();
      assertEquals(server.clock.pending, [3_000]);
      for (let i = 0; i < 3; i++) {
        assertEquals(client.isClosed, false);
        client.send("more");
        await server.clock.advance(1_000);
      }
      await client.untilClosed();
      assert(client.error instanceof Error);
    }));

  it("is dropped after closeTimeoutMs where it does not read the response either", () =>
    withMemoryServer({}, async (server) => {
      const client = await server.connect();
      client.socket.pause();
      client.send("?");
      await eventually("the response", () => server.channelOf(client).isBlocked);
      await server.clock.advance(60_000);
      await client.untilClosed();
      assertEquals(server.clock.pending, []);
    }));
});

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
