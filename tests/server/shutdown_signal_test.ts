import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { accept, serve, type ServeOptions, type Server } from "../../mod.ts";
import { HandshakeError, type RequestInfo } from "../../src/server/mod.ts";
import { Body, Hook, untilAborted } from "../support/hook.ts";
import { utf8 } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { watch } from "../support/watch.ts";
import { connect, type ConnectOptions } from "../../src/runtimes/shared/client.ts";
import { ConnectError } from "../../src/errors.ts";
import { withFolder } from "../runtimes/server.ts";
import { certificate } from "../support/tls.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

/** A stream of events that ends with the shutdown. */
function streamEvents(info: RequestInfo): Response {
  const { shutdownSignal } = info;
  return new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(utf8("data: 1\n\n"));
        shutdownSignal.addEventListener("abort", () => {
          controller.enqueue(utf8("data: bye\n\n"));
          controller.close();
        });
      },
    }),
  );
}

for (const { name, withServer } of TRANSPORTS) {
  describe(`the shutdown signal of a hook over ${name}`, () => {
    it("has a stream of events end by itself, and the shutdown with it", () => {
      const hook = new Hook(streamEvents);
      return withServer({ fetch: hook.call }, async (server) => {
        const client = await server.request(httpRequest());
        await client.readHead();
        await client.readBytes(9);
        assertEquals(hook.info.shutdownSignal.aborted, false);
        const finished = watch(server.server.shutdown({ timeoutMs: Infinity }));
        assertEquals(hook.info.shutdownSignal.aborted, true);
        assertEquals(await client.readBytes(11), utf8("data: bye\n\n"));
        await client.finish();
        await finished.untilSettled();
        const { reason } = hook.info.shutdownSignal;
        assert(reason instanceof HandshakeError);
        assertEquals([reason.status, hook.info.signal.aborted], [503, false]);
      });
    });

    it("leaves responses alone that don't ask for it, and the shutdown waits for them", () => {
      const hook = new Hook();
      return withServer({ fetch: hook.call }, async (server) => {
        const client = await server.request(httpRequest());
        await hook.untilCalled();
        const finished = watch(server.server.shutdown());
        assertEquals(hook.info.signal.aborted, false);
        hook.resolve(new Response("whole"));
        const { status, body } = await client.readResponse();
        assertEquals([status, body, finished.state], [200, "whole", "pending"]);
        client.socket.end();
        await finished.untilSettled();
      });
    });

    for (const [name, request] of [["fetch", httpRequest()], ["upgrade", upgradeRequest()]]) {
      for (const what of ["the reason", "an AbortError"]) {
        it(`has the client get 503 where the ${name} hook throws ${what}`, () => {
          const error = what === "the reason" ? undefined : new DOMException("No", "AbortError");
          const hook = new Hook(({ signal, shutdownSignal }) =>
            untilAborted(AbortSignal.any([signal, shutdownSignal]), error)
          );
          return withServer({ [name]: hook.call }, async (server) => {
            const client = await server.request(request);
            await hook.untilCalled();
            const finished = watch(server.server.shutdown());
            const { status, body } = await client.readResponse();
            assertEquals([status, body], [503, "The server is shutting down\n"]);
            client.socket.end();
            await finished.untilSettled();
            assertEquals(server.takeErrors(), []);
            assertEquals(server.server.stats().refused, { 503: 1 });
          });
        });
      }
    }
  });
}

describe("the shutdown signal of a hook in memory", () => {
  it("has aborted where the hook is called, or asks, only after the shutdown began", () => {
    const hook = new Hook(() => new Response());
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const head = httpRequest({ method: "POST", headers: { "Content-Length": "4" } });
      const client = await server.request(head, "bo");
      void server.server.shutdown();
      client.send("dy");
      assertEquals((await client.readResponse()).status, 200);
      await client.finish();
      assertEquals(hook.info.shutdownSignal.aborted, true);
      assertEquals(hook.info.shutdownSignal, hook.info.shutdownSignal);
    });
  });

  it("does not abort behind the whole response, where only the client has still to leave", () => {
    const hook = new Hook(({ shutdownSignal }) => {
      shutdownSignal.addEventListener("abort", () => {});
      return new Response("all");
    });
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readResponse();
      const finished = watch(server.server.shutdown());
      assertEquals([hook.info.shutdownSignal.aborted, finished.state], [false, "pending"]);
      await client.finish();
      await finished.untilSettled();
    });
  });

  it("may have its listeners shut down again", () => {
    const fetch = (_: Request, info: RequestInfo) => {
      info.shutdownSignal.addEventListener("abort", () => {
        void server!.server.shutdown({ timeoutMs: 1 });
      });
      return new Response(new ReadableStream());
    };
    let server: { server: { shutdown(options: object): Promise<void> } } | undefined;
    return withMemoryServer({ fetch }, async (harness) => {
      server = harness;
      const client = await harness.request(httpRequest());
      await client.readHead();
      const finished = watch(harness.server.shutdown({ timeoutMs: Infinity }));
      await harness.clock.advance(1);
      await finished.untilSettled();
    });
  });

  it("is what a response that is dropped after timeoutMs was cancelled for", () => {
    const body = new Body();
    const hook = new Hook(body.respond);
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      const finished = watch(server.server.shutdown());
      await server.clock.advance(4_999);
      assertEquals([finished.state, client.isClosed, body.reasons], ["pending", false, []]);
      await server.clock.advance(1);
      await finished.untilSettled();
      assertEquals(client.isClosed, true);
      assertEquals(body.reasons, [hook.info.shutdownSignal.reason]);
      assertEquals(hook.info.signal.reason, hook.info.shutdownSignal.reason);
    });
  });

  it("has nothing reported where a body fails with it", () => {
    const fetch = (_: Request, { shutdownSignal }: RequestInfo) =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(utf8("a"));
            const fail = () => controller.error(shutdownSignal.reason);
            shutdownSignal.addEventListener("abort", fail);
          },
        }),
      );
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      await client.readBytes(1);
      const finished = watch(server.server.shutdown());
      await client.untilClosed();
      assert(client.error instanceof Error, "the end of a response that is not whole");
      await finished.untilSettled();
      assertEquals(server.takeErrors(), []);
    });
  });
});

describe("accept", () => {
  it("tells its hook of a client that ends its side, too, and of no shutdown", async () => {
    const fromClient = new TransformStream<Uint8Array, Uint8Array>();
    const toClient = new TransformStream<Uint8Array, Uint8Array>();
    const hook = new Hook(({ signal }) => untilAborted(signal));
    const streams = { readable: fromClient.readable, writable: toClient.writable };
    const accepted = watch(accept(streams, { upgrade: hook.call, handshakeTimeoutMs: Infinity }));
    const client = fromClient.writable.getWriter();
    await client.write(utf8(upgradeRequest()));
    await hook.untilCalled();
    assertEquals([hook.info.signal.aborted, hook.info.shutdownSignal.aborted], [false, false]);
    void client.close().catch(() => {});
    assertEquals((await accepted.untilSettled()).state, "rejected");
    assertEquals([hook.info.signal.aborted, hook.info.shutdownSignal.aborted], [true, false]);
  });
});

/** Where to listen, and how to connect to it. */
interface Place {
  options: ServeOptions;
  client: ConnectOptions;
}

const PLACES: Record<string, (folder: string) => Place> = {
  tcp: () => ({ options: { port: 0, hostname: "127.0.0.1" }, client: {} }),
  tls: () => ({
    options: { port: 0, hostname: "127.0.0.1", tls: certificate },
    client: { tls: { rejectUnauthorized: false } },
  }),
  "a Unix socket": (folder) => ({
    options: { path: `${folder}/socket` },
    client: { path: `${folder}/socket` },
  }),
};

function urlOf({ addr }: Server, { tls }: ServeOptions): string {
  const port = addr.transport === "tcp" ? addr.port : 80;
  return `${tls === undefined ? "ws" : "wss"}://127.0.0.1:${port}/`;
}

for (const [name, placeIn] of Object.entries(PLACES)) {
  describe(`shutdown() of a server on ${name}`, () => {
    /** Runs a server with a client that does not close before it is told to. */
    const withServer = (
      body: (ends: {
        server: Server;
        place: Place;
        url: string;
        start(name: string): Promise<Server>;
        greeting(): Promise<unknown>;
        leave(): Promise<void>;
      }) => Promise<void>,
    ): Promise<void> =>
      withFolder(async (folder) => {
        const place = placeIn(folder);
        let options = place.options;
        const start = async (name: string): Promise<Server> =>
          await serve({ ...options, keepAlive: false }, async (conn) => {
            await conn.send(name);
            for await (const message of conn) await conn.send(`${name}: ${message}`);
          });
        const server = await start("first");
        const { addr } = server;
        if (addr.transport === "tcp") options = { ...options, port: addr.port };
        const url = urlOf(server, options);
        const greeting = async () => {
          const conn = await connect(url, place.client);
          const { value } = await conn[Symbol.asyncIterator]().next();
          conn.abort();
          return value;
        };
        // The program's message callback is at work: the Close frame is answered behind it.
        const gate = Promise.withResolvers<void>();
        let isReceived = false;
        const conn = await connect(url, {
          ...place.client,
          closeTimeoutMs: Infinity,
          message() {
            isReceived = true;
            return gate.promise;
          },
        });
        await eventually("the greeting", () => isReceived);
        const leave = async () => {
          gate.resolve();
          await conn.closed;
        };
        await body({ server, place, url, start, greeting, leave });
        await leave();
        await server.shutdown();
      });

    it("gives the address to a successor from the call on", () =>
      withServer(async ({ server, start, greeting, leave }) => {
        const done = watch(server.shutdown({ closeCode: 1012, spreadMs: 60_000 }));
        const next = await start("second");
        assertEquals(server.connections.size, 1);
        // No matter for a listener that is closed.
        server.unref();
        server.ref();
        for (let i = 0; i < 3; i++) assertEquals(await greeting(), "second");
        void server.shutdown({ spreadMs: 1, timeoutMs: 60_000 });
        await leave();
        await done.untilSettled();
        // The end of the first takes nothing from the second.
        assertEquals(await greeting(), "second");
        await next.shutdown();
      }));

    it("refuses to connect from the call on, and drops what was on its way", () =>
      withServer(async ({ server, place, url, leave }) => {
        const done = watch(server.shutdown());
        await settle();
        await assertRejects(() => connect(url, place.client), ConnectError);
        assertEquals(done.state, "pending");
        await leave();
        await done.untilSettled();
      }));

    it("goes on listening with keepListening, and refuses with 503", () =>
      withServer(async ({ server, place, url, start, leave }) => {
        const done = watch(server.shutdown({ keepListening: true }));
        await settle();
        const error = await connect(url, place.client).catch((error) => error);
        assertEquals(error.status, 503);
        const second = await start("second").catch((error) => error);
        assertEquals(second.code, "EADDRINUSE");
        await leave();
        await done.untilSettled();
        await (await start("third")).shutdown();
      }));

    it("lets what was sent go out, and be answered", () =>
      withServer(async ({ server, place, url, leave }) => {
        const conn = await connect(url, place.client);
        const messages = conn[Symbol.asyncIterator]();
        assertEquals((await messages.next()).value, "first");
        const large = "x".repeat(500_000);
        await conn.send(large);
        const [open] = [...server.connections].slice(-1);
        await eventually("the echo to be sent", () => open.stats().messagesSent === 2);
        void server.shutdown();
        assertEquals((await messages.next()).value, `first: ${large}`);
        assert((await messages.next()).done);
        assertEquals((await conn.closed).closeCode, 1001);
        await leave();
      }));
  });
}
