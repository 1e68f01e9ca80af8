import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { RequestInfo, ServeOptions, Server } from "../../src/server/mod.ts";
import { Body, Hook, untilAborted } from "../support/hook.ts";
import { decodeUtf8, textFrame } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { serve } from "../../mod.ts";
import { type Peer, usePeers } from "../runtimes/peer.ts";
import { withFolder } from "../runtimes/server.ts";
import { certificate } from "../support/tls.ts";
import { watch } from "../support/watch.ts";

for (const hookName of ["fetch", "upgrade"] as const) {
  const request = hookName === "fetch" ? httpRequest() : upgradeRequest();

  describe(`a client that ends its side while the ${hookName} hook is awaited`, () => {
    it("is told of at once, and dropped after half a second", () => {
      const hook = new Hook<never>();
      return withMemoryServer({ [hookName]: hook.call }, async (server) => {
        const client = await server.request(request);
        assertEquals(hook.signal.aborted, false);
        client.socket.end();
        assertEquals(hook.signal.aborted, true);
        assertEquals((hook.signal.reason as DOMException).name, "AbortError");
        await server.clock.advance(499);
        assertEquals(client.isClosed, false);
        await server.clock.advance(1);
        assertEquals([client.isClosed, client.receivedSize], [true, 0]);
        assertEquals(server.server.stats().handshakes, 0);
        assertEquals(server.clock.pending, []);
      });
    });

    for (
      const [what, headers] of [["at once", {}], ["and is asked for", { Origin: "x:" }]] as const
    ) {
      it(`has the signal aborted already where it ended with the request, ${what}`, () => {
        const hook = new Hook<never>();
        const setup = { [hookName]: hook.call, origin: () => settle(1).then(() => true) };
        return withMemoryServer(setup, async (server) => {
          const client = await server.request(
            (hookName === "fetch" ? httpRequest : upgradeRequest)({ headers }),
          );
          client.socket.end();
          await hook.untilCalled();
          assertEquals(hook.signal.aborted, true);
        });
      });
    }

    it("gets the response that comes within half a second", () => {
      const hook = new Hook<Response>();
      return withMemoryServer({ [hookName]: hook.call }, async (server) => {
        const client = await server.request(request);
        client.socket.end();
        await server.clock.advance(499);
        hook.resolve(new Response("late", { status: 403 }));
        const { status, body } = await client.readResponse();
        assertEquals([status, body], [403, "late"]);
        await client.untilClosed();
        assertEquals([client.error, server.clock.pending], [undefined, []]);
      });
    });

    for (
      const [what, error] of [
        ["the reason", undefined],
        ["an AbortError", new DOMException("Given up", "AbortError")],
      ]
    ) {
      it(`is dropped, and nothing is reported, where the hook throws ${what}`, () => {
        const hook = new Hook<never>();
        return withMemoryServer({ [hookName]: hook.call }, async (server) => {
          const client = await server.request(request);
          client.socket.end();
          hook.reject(error ?? hook.signal.reason);
          await client.untilClosed();
          assertEquals([client.receivedSize, server.takeErrors()], [0, []]);
        });
      });
    }

    it("gets 500 where the hook throws something else, which is reported", () => {
      const hook = new Hook<never>();
      return withMemoryServer({ [hookName]: hook.call }, async (server) => {
        const client = await server.request(request);
        client.socket.end();
        hook.reject(new Error("broken"));
        assertEquals((await client.readResponse()).status, 500);
        assertEquals(server.takeErrors().map(String), ["Error: broken"]);
      });
    });

    it("is not read from any more once 4 KiB have come behind the request, which count", () => {
      const hook = new Hook<never>();
      return withMemoryServer({ [hookName]: hook.call }, async (server) => {
        const client = await server.request(request);
        const channel = server.channelOf(client);
        const before = server.server.stats().heldSize;
        for (let sent = 0; sent < 4_096; sent += 128) {
          assertEquals(channel.isPaused, false);
          client.send(new Uint8Array(128));
          assertEquals(server.server.stats().heldSize, before + sent + 128);
        }
        assertEquals(channel.isPaused, true);
        client.send(new Uint8Array(100_000));
        client.socket.end();
        await settle();
        assertEquals(server.server.stats().heldSize, before + 4_096);
        assertEquals(hook.signal.aborted, false);
        await server.clock.advance(10_000);
        assertEquals((await client.readResponse()).status, 408);
      });
    });

    it("is not read from where as much has come with the request", () => {
      const hook = new Hook<never>();
      return withMemoryServer({ [hookName]: hook.call }, async (server) => {
        const client = await server.request(request, new Uint8Array(4_096));
        assertEquals(server.channelOf(client).isPaused, true);
      });
    });
  });
}

describe("what a client sends behind its upgrade request while the hook is awaited", () => {
  for (const hasEnded of [false, true]) {
    it(`is received in order once it returns${hasEnded ? ", and the end behind it" : ""}`, () => {
      const hook = new Hook<object>();
      const received: unknown[] = [];
      const setup = {
        upgrade: hook.call,
        message: (_: unknown, data: unknown) => void received.push(data),
      };
      return withMemoryServer(setup, async (server) => {
        const client = await server.request(upgradeRequest());
        // The last ones wait in the channel, past the bound, unless the end is to be seen.
        const texts = Array.from({ length: hasEnded ? 20 : 60 }, (_, i) => `${i}`.padEnd(100));
        for (const text of texts) {
          const frame = textFrame(text);
          client.send(frame.subarray(0, 50));
          client.send(frame.subarray(50));
        }
        assertEquals(server.channelOf(client).isPaused, !hasEnded);
        if (hasEnded) client.socket.end();
        assertEquals(hook.signal.aborted, hasEnded);
        await server.clock.advance(400);
        hook.resolve({});
        assertEquals((await client.readHead()).status, 101);
        await eventually("the messages", () => received.length === texts.length);
        assertEquals(received, texts);
        if (hasEnded) {
          assertEquals((await client.readToEnd()).length, 0);
          await client.untilClosed();
          await eventually("the end", () => server.server.connections.size === 0);
          assertEquals(server.server.stats().closed, { 1006: 1 });
        }
      });
    });
  }

  it("belongs to no body", () => {
    const bodies: string[] = [];
    const hook = new Hook<Response>();
    const fetch = async (request: Request, info: RequestInfo) => {
      bodies.push(await request.text());
      return hook.call(request, info);
    };
    return withMemoryServer({ fetch }, async (server) => {
      const head = httpRequest({ method: "POST", headers: { "Content-Length": "4" } });
      const client = await server.request(head, "bo");
      client.send("dy");
      client.send("GET / HTTP/1.1\r\n");
      client.socket.end();
      await hook.untilCalled();
      assertEquals([bodies, hook.signal.aborted], [["body"], true]);
      hook.resolve(new Response("done"));
      assertEquals((await client.readResponse()).body, "done");
    });
  });
});

describe("a client that ends its side where a body is expected", () => {
  const expecting = httpRequest({
    method: "POST",
    headers: { "Content-Length": "4", Expect: "100-continue" },
  });

  for (const [body, status] of [["body", 200], ["bo", 400]] as const) {
    it(`gets ${status} where "${body}" had come before it had taken the 100`, () => {
      const fetch = async (request: Request) => new Response(await request.text());
      return withMemoryServer({ fetch }, async (server) => {
        const client = await server.connect();
        client.socket.pause();
        client.send(expecting);
        client.send(body);
        client.socket.end();
        client.socket.resume();
        assertEquals((await client.readHead()).status, 100);
        assertEquals((await client.readResponse()).status, status);
      });
    });
  }
});

describe("a client that ends its side while it gets a response", () => {
  it("gets what comes without a pause of half a second, for as long as that takes", () => {
    const body = new Body();
    return withMemoryServer({ fetch: body.respond }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      client.socket.end();
      for (let i = 0; i < 50; i++) {
        await server.clock.advance(499);
        body.write("more");
        assertEquals(decodeUtf8(await client.readBytes(4)), "more");
      }
      body.close();
      assertEquals((await client.readToEnd()).length, 0);
      await client.untilClosed();
      assertEquals([client.error, body.reasons], [undefined, []]);
    });
  });

  it("may read slowly", () => {
    const body = new Body();
    return withMemoryServer({ fetch: body.respond }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      client.socket.pause();
      client.socket.end();
      body.write("slow");
      body.close();
      await server.clock.advance(9_000);
      client.socket.resume();
      assertEquals(decodeUtf8(await client.readToEnd()), "slow");
    });
  });

  it("is dropped, and the body cancelled, where it takes nothing for ten seconds after it", () => {
    const body = new Body();
    const hook = new Hook<Response>();
    const events: string[] = [];
    const setup = {
      fetch: hook.call,
      responseTimeoutMs: Infinity,
      onEvent: ({ type }: { type: string }) => void events.push(type),
    };
    return withMemoryServer(setup, async (server) => {
      const client = await server.request(httpRequest());
      hook.resolve(body.respond());
      await client.readHead();
      client.socket.pause();
      body.write("stuck");
      await server.clock.advance(100_000);
      client.socket.end();
      await server.clock.advance(6_000);
      // It takes it, and then nothing again.
      client.socket.take(5);
      body.write("again");
      await server.clock.advance(10_000);
      assertEquals([client.isClosed, body.reasons, events], [false, [], []]);
      await server.clock.advance(250);
      assertEquals([client.isClosed, body.reasons], [true, [hook.signal.reason]]);
      assertEquals([events, server.server.stats().dropped], [["drop"], 1]);
      assertEquals(server.clock.pending, []);
    });
  });

  it("is dropped, and the body cancelled, within a second where nothing comes", () => {
    const body = new Body();
    const hook = new Hook<Response>();
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const client = await server.request(httpRequest());
      hook.resolve(body.respond());
      await client.readHead();
      await server.clock.advance(100_000);
      client.socket.end();
      assertEquals(hook.signal.aborted, true);
      body.write("still");
      assertEquals(decodeUtf8(await client.readBytes(5)), "still");
      await server.clock.advance(499);
      assertEquals(body.reasons, []);
      await server.clock.advance(501);
      assertEquals(body.reasons, [hook.signal.reason]);
      assert(client.error instanceof Error, "the end of a response that is not whole");
      assertEquals(server.server.stats().handshakes, 0);
    });
  });

  it("has nothing reported where the body fails with the signal", () => {
    const body = new Body();
    const fetch = (_: Request, { signal }: RequestInfo) => {
      signal.addEventListener("abort", () => body.fail(signal.reason));
      return body.respond();
    };
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      client.socket.end();
      await client.untilClosed();
      assert(client.error instanceof Error, "the end of a response that is not whole");
      assertEquals(server.takeErrors(), []);
    });
  });

  it("has the body cancelled with the reason of the signal by a reset, too", () => {
    const body = new Body();
    const hook = new Hook<Response>();
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const client = await server.request(httpRequest());
      hook.resolve(body.respond());
      await client.readHead();
      client.socket.reset();
      assertEquals(hook.signal.aborted, true);
      await settle();
      assertEquals(body.reasons, [hook.signal.reason]);
    });
  });
});

describe("the signal of a hook", () => {
  it("does not abort where the client has had its whole response", () => {
    const hook = new Hook<Response>();
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const client = await server.request(httpRequest());
      hook.resolve(new Response("all"));
      await client.readResponse();
      await client.finish();
      await settle();
      assertEquals(hook.signal.aborted, false);
    });
  });
});

/** How a client leaves without a reset, on what it leaves. */
const ENDS: [name: string, transport: "TCP" | "TLS" | "Unix", end: (peer: Peer) => unknown][] = [
  ["FIN on TCP", "TCP", (peer) => peer.end()],
  ["closing its TCP socket", "TCP", (peer) => peer.destroy()],
  ["FIN on a Unix socket", "Unix", (peer) => peer.end()],
  ["closing its Unix socket", "Unix", (peer) => peer.destroy()],
  ["the end of TLS and FIN", "TLS", (peer) => peer.end()],
  ["FIN on TLS, without the end of TLS", "TLS", (peer) => peer.endRaw()],
];

const HOOKS: [name: string, hook: "upgrade" | "fetch", request: string][] = [
  ["the upgrade hook", "upgrade", upgradeRequest()],
  ["the upgrade hook, with bytes behind the request", "upgrade", `${upgradeRequest()}early`],
  ["the fetch hook", "fetch", httpRequest()],
  [
    "the fetch hook of a request with a body",
    "fetch",
    `${httpRequest({ method: "POST", headers: { "Content-Length": "4" } })}body`,
  ],
  [
    "the fetch hook of a request with a body of more than 4 KiB",
    "fetch",
    `${httpRequest({ method: "POST", headers: { "Content-Length": "8000" } })}${"x".repeat(8000)}`,
  ],
];

describe("a client that leaves by", () => {
  const peers = usePeers();

  /** Serves for as long as `body` takes; neither the deadline nor the end of a shutdown is of any help. */
  async function withServer(
    transport: "TCP" | "TLS" | "Unix",
    options: ServeOptions<unknown>,
    body: (server: Server, connect: () => Promise<Peer>) => Promise<void>,
  ): Promise<void> {
    const errors: unknown[] = [];
    await withFolder(async (folder) => {
      const server = await serve<unknown>({
        ...(transport === "Unix"
          ? { path: `${folder}/socket` }
          : { port: 0, hostname: "127.0.0.1" }),
        tls: transport === "TLS" ? certificate : undefined,
        handshakeTimeoutMs: Infinity,
        onError: (error) => void errors.push(error),
        message() {},
        ...options,
      });
      const clients: Peer[] = [];
      const connect = async () => {
        const peer = await peers.connect(server.addr, { tls: transport === "TLS" });
        clients.push(peer);
        return peer;
      };
      try {
        await body(server, connect);
        assertEquals(errors, []);
      } finally {
        const finished = watch(server.shutdown({ timeoutMs: 1 }));
        await finished.settled;
        for (const client of clients) await client.destroy();
      }
    });
  }

  const isOver = (server: Server) => {
    const { connections, handshakes, heldSize } = server.stats();
    return connections === 0 && handshakes === 0 && heldSize === 0;
  };

  for (const [end, transport, leave] of ENDS) {
    describe(end, () => {
      for (const [name, hookName, request] of HOOKS) {
        it(`aborts the signal of ${name}`, () => {
          const hook = new Hook(({ signal }) => untilAborted(signal));
          return withServer(transport, { [hookName]: hook.call }, async (server, connect) => {
            const client = await connect();
            await client.writeText(request);
            await hook.untilCalled();
            assertEquals(hook.signal.aborted, false);
            await leave(client);
            await eventually("the signal to abort", () => hook.signal.aborted);
            assertEquals((hook.signal.reason as DOMException).name, "AbortError");
            await eventually("nothing to be left", () => isOver(server));
          });
        });
      }

      it("is let go while a hook goes on that takes no notice", () => {
        const hook = new Hook<never>();
        return withServer(transport, { fetch: hook.call }, async (server, connect) => {
          const client = await connect();
          await client.writeText(httpRequest());
          await hook.untilCalled();
          await leave(client);
          await watch(server.shutdown({ timeoutMs: Infinity })).untilSettled();
          assert(isOver(server));
        });
      });

      it("has a response that says nothing cancelled, and nothing waits for it", () => {
        const body = new Body();
        body.write("data: 1\n\n");
        return withServer(transport, { fetch: body.respond }, async (server, connect) => {
          const client = await connect();
          await client.writeText(httpRequest());
          await client.untilReceived(1);
          assertEquals(server.stats().handshakes, 1);
          await leave(client);
          const finished = watch(server.shutdown({ timeoutMs: Infinity }));
          await eventually("the body to be cancelled", () => body.isCancelled);
          assertEquals((body.reasons[0] as DOMException).name, "AbortError");
          await finished.untilSettled();
          assert(isOver(server));
        });
      });
    });
  }
});
