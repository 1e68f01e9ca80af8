import { describe, it } from "node:test";
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { CloseInfo, Connection, Handler } from "../../src/server/mod.ts";
import { wsPeer } from "../interop/ws_peer.ts";
import { textFrame } from "../support/raw_client.ts";
import { ACCEPT, httpRequest, upgradeRequest } from "../support/requests.ts";
import { eventually } from "../support/waiter.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { createPrograms } from "../connection/programs.ts";
import { certificateFile, type MountHarness, type MountSetup, STAGES } from "./harness.ts";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { mount, type MountOptions } from "../../src/runtimes/node/mount.ts";
import { withFolder } from "../runtimes/server.ts";

const MiB = 1024 * 1024;
/** As many messages of 1 MiB are more than a connection can hold on its way. */
const COUNT = 24;

/** Waits until a figure has not changed for some time. */
async function untilStill(figure: () => number): Promise<void> {
  for (let before = NaN; before !== figure();) {
    before = figure();
    await settle(30);
  }
}

/** The ways to echo. */
const STYLES = createPrograms(() => {});

for (const { name, withMounted } of STAGES) {
  describe(`WebSockets mounted on ${name}`, () => {
    for (const [style, setup] of Object.entries(STYLES)) {
      it(`are echoed by ${style}`, () =>
        withMounted(setup, async (server) => {
          const client = await server.open();
          client.sendText("Grüße");
          assertEquals(await client.readMessage(), "Grüße");
          const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
          client.sendBinary(bytes);
          assertEquals(await client.readMessage(), bytes);
          client.sendClose(1000, "done");
          assertEquals(await client.readClose(), [1000, ""]);
          await client.finish();
        }));
    }

    it("begin with a 101 response as the hook has it", () => {
      const acceptance = {
        protocol: "chat",
        headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]] as [string, string][],
        data: { user: "ada" },
      };
      return withMounted({ upgrade: () => acceptance }, async (server) => {
        const offer = { "Sec-WebSocket-Protocol": "chat, other", "X-Octets": "a\xff" };
        const client = await server.request(
          upgradeRequest({ target: "/room?name=x", headers: { ...offer, Cookie: ["c=3", "d=4"] } }),
        );
        const { status, headers } = await client.readHead();
        assertEquals(status, 101);
        assertEquals(headers.get("sec-websocket-accept"), ACCEPT);
        assertEquals(headers.get("sec-websocket-protocol"), "chat");
        assertEquals(headers.get("set-cookie"), "a=1, b=2");
        const [conn] = server.server.connections;
        assertEquals([conn.data, conn.protocol], [{ user: "ada" }, "chat"]);
        assertEquals(conn.request.url, `${name}://example.com/room?name=x`);
        assertEquals(conn.request.headers.get("cookie"), "c=3; d=4");
        assertEquals(conn.request.headers.get("x-octets"), "a\xff");
        assert(conn.remoteAddress.transport === "tcp");
        assertEquals(conn.remoteAddress.hostname, "127.0.0.1");
        assertEquals(conn.localAddress, {
          transport: "tcp",
          hostname: "127.0.0.1",
          port: server.port,
        });
      });
    });

    for (const upgrade of [undefined, () => settle().then(() => ({}))]) {
      const hook = upgrade === undefined ? "no hook" : "a slow hook";
      it(`receive what was sent right behind the request, with ${hook}`, () => {
        const received: unknown[] = [];
        const setup: MountSetup<undefined> = {
          upgrade,
          message: (_, data) => void received.push(data),
        };
        return withMounted(setup, async (server) => {
          const client = await server.open({}, textFrame("a"), textFrame("b".repeat(200)));
          client.sendText("c");
          await client.close();
          assertEquals(received, ["a", "b".repeat(200), "c"]);
        });
      });
    }

    it("are compressed, as another implementation has it", () =>
      withMounted({ ...STYLES.iteration, compression: { threshold: 0 } }, async (server) => {
        const socket = await wsPeer.connect(
          `${server.isSecure ? "wss" : "ws"}://127.0.0.1:${server.port}/`,
          { certificateFile },
        );
        assertMatch(socket.extensions, /permessage-deflate/);
        const text = "as it was before, ".repeat(20_000);
        for (let i = 0; i < 3; i++) {
          socket.send(text);
          assertEquals(await socket.receive(), text);
        }
        const [conn] = server.server.connections;
        assertGreater(text.length / 10, conn.stats().bytesSent);
        assertEquals((await socket.ping(new Uint8Array(5))).length, 5);
        socket.close(4000, "done");
        assertEquals((await socket.closed).closeCode, 4000);
      }));

    it("begin on a connection that has served plain HTTP", () =>
      withMounted(STYLES.callbacks, async (server) => {
        const client = await server.connect();
        for (const target of ["/first", "/second"]) {
          client.send(`GET ${target} HTTP/1.1\r\nHost: example.com\r\n\r\n`);
          const { headers } = await client.readHead();
          const body = await client.readBytes(Number(headers.get("content-length")));
          assertEquals(new TextDecoder().decode(body), target);
        }
        client.send(upgradeRequest());
        assertEquals((await client.readHead()).status, 101);
        client.sendText("hello");
        assertEquals(await client.readMessage(), "hello");
      }));

    it("have the client wait while the handler does not read", () => {
      const gate = Promise.withResolvers<void>();
      let size = 0;
      const setup: MountSetup<undefined> = {
        async handler(conn) {
          await gate.promise;
          for await (const message of conn) size += message.length;
        },
      };
      return withMounted(setup, async (server) => {
        const { client, conn } = await server.openPair();
        const message = new Uint8Array(MiB);
        for (let i = 0; i < COUNT; i++) client.sendBinary(message);
        await untilStill(() => client.socket.unsentSize);
        assertGreater(client.socket.unsentSize, 4 * MiB);
        assertGreater(4 * MiB, conn.stats().heldSize);
        gate.resolve();
        client.sendClose(1000);
        assertEquals(await client.readClose(), [1000, ""]);
        assertEquals(size, COUNT * MiB);
      });
    });

    describe("end", () => {
      const ends = (handler?: Handler<undefined>) => {
        const infos: CloseInfo[] = [];
        const setup: MountSetup<undefined> = {
          handler,
          onEvent: (event) => void (event.type === "close" && infos.push(event.info)),
        };
        return { infos, setup };
      };

      it("where the server closes, and the client answers", () => {
        const { infos, setup } = ends();
        return withMounted(setup, async (server) => {
          const { client, conn } = await server.openPair();
          const closed = watch(conn.close({ closeCode: 4000, reason: "enough" }));
          assertEquals(await client.readClose(), [4000, "enough"]);
          client.sendClose(4000, "enough");
          await client.finish();
          await closed.settled;
          assertEquals(infos.map(({ wasClean }) => wasClean), [true]);
        });
      });

      for (const how of ["FIN", "RST"] as const) {
        it(`by ${how} without a Close frame`, () => {
          const { infos, setup } = ends();
          return withMounted(setup, async (server) => {
            const { client, conn } = await server.openPair();
            const pinged = watch((conn as Connection).ping());
            client.send(textFrame("unfinished").subarray(0, 4));
            if (how === "FIN") client.socket.end();
            else client.socket.reset();
            await pinged.settled;
            assertEquals(pinged.state, "rejected");
            await eventually("the end", () => infos.length > 0);
            assertEquals(infos.map(({ closeCode }) => closeCode), [1006]);
          });
        });
      }

      it("by shutdown, and what comes after it is refused", () =>
        withMounted({}, async (server) => {
          const client = await server.open();
          const done = watch(server.server.shutdown({ closeCode: 1012, reason: "restart" }));
          await client.answerClose(1012, "restart");
          await done.settled;
          const late = await server.request(upgradeRequest());
          assertEquals((await late.readResponse()).status, 503);
          late.socket.end();
          const plain = await server.connect();
          plain.send("GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n");
          assertEquals((await plain.readHead()).status, 200);
        }));
    });
  });
}

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
