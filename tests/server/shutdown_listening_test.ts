import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { serve, type ServeOptions, type Server } from "../../mod.ts";
import { connect, type ConnectOptions } from "../../src/runtimes/shared/client.ts";
import { ConnectError } from "../../src/errors.ts";
import { withFolder } from "../runtimes/server.ts";
import { certificate } from "../support/tls.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

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
