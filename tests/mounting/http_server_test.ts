import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { mount, type MountOptions } from "../../src/runtimes/node/mount.ts";
import { withFolder } from "../runtimes/server.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";
import { type MountHarness, type MountSetup, STAGES } from "./harness.ts";

const ECHO: MountSetup<undefined> = { message: (conn, data) => conn.send(data) };
const isBun = "Bun" in globalThis;

/** Upgrades behind a request that is not answered yet; gives the responses that are to be ended. */
async function upgradeBehindRequest(server: MountHarness<undefined>) {
  server.http.removeAllListeners("request");
  const responses: ServerResponse[] = [];
  server.http.on("request", (_, response) => void responses.push(response));
  const client = await server.connect();
  client.send(httpRequest(), upgradeRequest());
  await eventually("the request", () => responses.length > 0);
  return { client, responses };
}

for (const { name, withMounted } of STAGES) {
  describe(`a server of node:${name} with WebSockets on it`, () => {
    it("cuts none by its timeouts", () => {
      const timeouts = {
        connectionsCheckingInterval: 20,
        headersTimeout: 60,
        requestTimeout: 60,
        keepAliveTimeout: 60,
      };
      return withMounted({ ...ECHO, http: timeouts }, async (server) => {
        server.http.setTimeout(60);
        const fresh = await server.open();
        const used = await server.connect();
        used.send(httpRequest());
        const { headers } = await used.readHead();
        await used.readBytes(Number(headers.get("content-length")));
        used.send(upgradeRequest());
        assertEquals((await used.readHead()).status, 101);
        // A connection that is idle is what the timeouts are for: once they have cut one that began
        // later, they would have cut the others.
        const idle = await server.connect();
        idle.send(httpRequest());
        await idle.readToEnd();
        for (const client of [fresh, used]) {
          client.sendText("still there");
          assertEquals(await client.readMessage(), "still there");
        }
      });
    });

    it("leaves them open when it closes, and waits for them", () =>
      withMounted(ECHO, async (server) => {
        const client = await server.open();
        const closed = watch(once(server.http, "close"));
        server.http.close();
        server.http.closeIdleConnections();
        server.http.closeAllConnections();
        client.sendText("still there");
        assertEquals(await client.readMessage(), "still there");
        assertEquals(closed.state, "pending");
        const done = watch(server.server.shutdown());
        await client.answerClose(1001);
        await done.settled;
        await closed.settled;
      }));

    it("may have several mounted, by their paths", () =>
      withMounted(ECHO, async (server) => {
        const shout = await mount({ message: (conn, data) => conn.send(`${data}!`) });
        server.http.removeAllListeners("upgrade");
        server.http.on("upgrade", (request, socket, head) => {
          if (request.url === "/echo") server.server.handleUpgrade(request, socket, head);
          else if (request.url === "/shout") shout.handleUpgrade(request, socket, head);
          else shout.refuseUpgrade(request, socket, head);
        });
        for (const [target, answer] of [["/echo", "hello"], ["/shout", "hello!"]]) {
          const client = await server.open({ target });
          client.sendText("hello");
          assertEquals(await client.readMessage(), answer);
        }
        const other = await server.request(upgradeRequest({ target: "/other" }));
        assertEquals((await other.readResponse()).status, 404);
        other.socket.end();
        assertEquals([server.server.connections.size, shout.connections.size], [1, 1]);
        server.resetClients();
        await shout.shutdown();
      }));

    it("answers the requests before first", () =>
      withMounted(ECHO, async (server) => {
        server.http.removeAllListeners("request");
        const waiting: (() => void)[] = [];
        server.http.on("request", (request, response) => {
          waiting.push(() => response.end(request.url));
        });
        const client = await server.connect();
        client.send(httpRequest({ target: "/1" }), httpRequest({ target: "/2" }));
        client.send(upgradeRequest({ target: "/3" }));
        const requests = isBun ? 3 : 2;
        await eventually("the requests", () => waiting.length === requests);
        assertEquals(server.server.stats().handshakes, 0);
        for (const target of ["/1", "/2", "/3"].slice(0, requests)) {
          waiting.shift()!();
          const { status, headers } = await client.readHead();
          const body = await client.readBytes(Number(headers.get("content-length")));
          assertEquals([status, new TextDecoder().decode(body)], [200, target]);
        }
        // Bun takes an upgrade behind another request for plain HTTP, as a server may.
        if (isBun) return;
        assertEquals((await client.readHead()).status, 101);
        client.sendText("hello");
        assertEquals(await client.readMessage(), "hello");
      }));

    it("bears a reset while a request before is answered", () =>
      withMounted(ECHO, async (server) => {
        const { client, responses } = await upgradeBehindRequest(server);
        client.socket.reset();
        await settle();
        responses.forEach((response) => response.end());
        await settle();
        await eventually("the end of the WebSocket, if there was one", () => {
          const { handshakes, connections } = server.server.stats();
          return handshakes === 0 && connections === 0;
        });
      }));

    it("ends what is opened for a client that left while a request before was answered", () =>
      withMounted(ECHO, async (server) => {
        const { client, responses } = await upgradeBehindRequest(server);
        const { socket } = responses[0];
        assert(socket !== null);
        client.socket.end();
        // Bun takes the upgrade for plain HTTP, and may tell of the end later.
        if (isBun) await settle();
        else await eventually("the end to arrive", () => socket.readableEnded);
        responses.forEach((response) => response.end());
        await client.untilClosed();
        await eventually("the end of the WebSocket, if there was one", () => {
          const { handshakes, connections } = server.server.stats();
          return handshakes === 0 && connections === 0 && socket.destroyed;
        });
      }));
  });
}

describe("a server of node:http on a Unix socket", () => {
  it("has WebSockets, whose clients have no address", () =>
    withFolder((folder) => {
      const path = join(folder, "socket");
      return STAGES[0].withMounted(
        { ...ECHO, path, maxConnectionsPerAddress: 0 },
        async (server) => {
          const { client, conn } = await server.openPair();
          assertEquals(conn.remoteAddress, { transport: "unix", path: "" });
          assertEquals(conn.localAddress, { transport: "unix", path });
          client.sendText("hello");
          assertEquals(await client.readMessage(), "hello");
          conn.abort();
          await client.readToEnd();
        },
      );
    }));
});

describe("mount()", () => {
  const handler = () => {};

  it("refuses the options that are up to the HTTP server", async () => {
    const options = {
      port: 8080,
      hostname: "127.0.0.1",
      path: "/tmp/socket",
      tls: { cert: "", key: "" },
      fetch: () => new Response(),
      maxHeadSize: 1,
      maxHeadLineSize: 1,
      maxRequestBodySize: 1,
    };
    for (const [option, value] of Object.entries(options)) {
      await assertRejects(
        () => mount({ [option]: value } as MountOptions, handler),
        TypeError,
        `mount takes no option ${option}: set it on the HTTP server`,
      );
    }
    // @ts-expect-error: The types refuse them too.
    await assertRejects(() => mount({ port: 8080 }, handler), TypeError);
    // @ts-expect-error: The types refuse them too.
    await assertRejects(() => mount({ fetch: () => new Response() }, handler), TypeError);
  });

  it("is shut down by its signal, and rejects where that has aborted", async () => {
    const abort = new AbortController();
    const mounted = await mount({ signal: abort.signal }, handler);
    abort.abort();
    await mounted.finished;
    await assertRejects(() => mount({ signal: abort.signal }, handler), DOMException);
    await mounted[Symbol.asyncDispose]();
  });

  it("takes what an upgrade event gives, and once only", async () => {
    const mounted = await mount({}, (conn) => conn.closed);
    const request = { method: "GET", url: "/", httpVersion: "1.1", rawHeaders: [] };
    const socket = new PassThrough();
    const head = new Uint8Array(0);
    for (
      const wrong of [[], [request], [request, socket], [request, {}, head], [{}, socket, head]]
    ) {
      assertThrows(
        () => (mounted.handleUpgrade as (...given: unknown[]) => void)(...wrong),
        TypeError,
        "Cannot handle the upgrade",
      );
    }
    mounted.handleUpgrade(request as unknown as IncomingMessage, socket, head);
    const error = assertThrows(
      () => mounted.handleUpgrade(request as unknown as IncomingMessage, socket, head),
      DOMException,
    );
    assertEquals(error.name, "InvalidStateError");
    await mounted.shutdown();
    assert(socket.destroyed);
  });

  it("takes over nothing of a socket that is closed", async () => {
    const mounted = await mount({}, handler);
    const socket = new PassThrough();
    socket.destroy();
    const request = { rawHeaders: [] } as unknown as IncomingMessage;
    mounted.handleUpgrade(request, socket, new Uint8Array(0));
    assertEquals(mounted.stats().handshakes, 0);
    await mounted.shutdown();
  });
});
