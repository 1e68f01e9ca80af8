// @waits

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import {
  type AttachOptions,
  type Connection,
  mount,
  type MountedServer,
  type UpgradeServer,
} from "../../src/runtimes/node/mount.ts";
import { upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { type MountHarness, type MountSetup, STAGES } from "./harness.ts";
import { watch } from "../support/watch.ts";

const ECHO: MountSetup<undefined> = { message: (conn, data) => conn.send(data) };

/** Which requests a path takes. */
const PATHS: [path: string | string[], taken: string[], left: string[]][] = [
  [
    "/chat",
    [
      "/chat",
      "/chat?room=1",
      "/chat?",
      "/x/../chat",
      "/./chat",
      "/%2e/chat",
      "http://example.com/chat",
    ],
    ["/", "/Chat", "/chat/", "/chat/1", "/chatter", "/%63hat", "//chat", "/chat/../x", "/x?/chat"],
  ],
  ["/", ["/", "/?a", "http://example.com", "http://example.com?a", "/x/.."], ["/x", "//"]],
  [["/a", "/b"], ["/a", "/b"], ["/c"]],
  [
    "/rooms/*",
    ["/rooms/", "/rooms/1", "/rooms/a/b?c", "/rooms//"],
    ["/rooms", "/room", "/Rooms/1", "/rooms/../admin", "/rooms/%2e%2e/admin", "/x/rooms/1"],
  ],
  ["/*", ["/", "/x", "//x/y"], []],
  ["/gr\xfc\xdfe", ["/gr%C3%BC%C3%9Fe"], ["/gr%c3%bc%c3%9fe"]],
];

/** Asks for an upgrade, and gives the status of the response, and its body unless it is 101. */
async function ask(
  server: MountHarness<undefined>,
  target: string,
): Promise<[status: number, body?: string]> {
  const client = await server.request(upgradeRequest({ target }), "hello");
  const { status, headers } = await client.readHead();
  if (status === 101) {
    client.socket.reset();
    return [status];
  }
  const body = await client.readBytes(Number(headers.get("content-length")));
  client.socket.end();
  return [status, new TextDecoder().decode(body)];
}

async function statusOf(server: MountHarness<undefined>, target: string): Promise<number> {
  return (await ask(server, target))[0];
}

/** Answers an upgrade as another library would. */
function answerAs(name: string) {
  return (_request: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => {});
    socket.end(`HTTP/1.1 299 ${name}\r\nContent-Length: 0\r\n\r\n`);
  };
}

for (const { name, withMounted } of STAGES) {
  const withEcho = (
    body: (server: MountHarness<undefined>, echo: MountedServer<undefined>) => Promise<void>,
  ) =>
    withMounted<undefined>({ ...ECHO, isDetached: true }, (server) => body(server, server.server));

  describe(`what is attached to a server of node:${name}`, () => {
    for (const [path, taken, left] of PATHS) {
      it(`to ${JSON.stringify(path)} takes its paths, and no others`, () =>
        withEcho(async (server, echo) => {
          echo.attach(server.http, { path });
          for (const text of taken) {
            const target = text.replace(/^http:/, `${name}:`);
            assertEquals([target, await statusOf(server, target)], [target, 101]);
          }
          for (const target of left) {
            assertEquals([target, await statusOf(server, target)], [target, 404]);
          }
        }));
    }

    it("refuses what nobody else could answer, in one line, and counts it", () =>
      withEcho(async (server, echo) => {
        echo.attach(server.http, { path: "/chat" });
        assertEquals(await ask(server, "/other"), [
          404,
          "Cannot accept the upgrade: 404 Not Found\n",
        ]);
        await eventually("the end", () => echo.stats().handshakes === 0);
        assertEquals(echo.stats().refused, { 404: 1 });
      }));

    it("has done nothing with what is for others but to listen for its errors", () =>
      withEcho(async (server, echo) => {
        let before = "";
        const after: string[] = [];
        const look = (socket: Duplex) =>
          JSON.stringify([
            // Bun adds its own for "close" afterwards.
            ...socket.eventNames().filter((name) => name !== "close" && name !== "error")
              .map((name) => [String(name), socket.listenerCount(name)]),
            socket.destroyed,
            socket.writableEnded,
            socket.writableLength,
            socket.isPaused(),
            socket.readableFlowing,
            (socket as { bytesWritten?: number }).bytesWritten,
          ]);
        server.http.on("upgrade", (request, socket) => {
          if (request.url === "/own") return;
          assertEquals(socket.listenerCount("error"), errorListeners + 1);
          // Answers late, as one that looks a session up first.
          after.push(look(socket));
          setTimeout(() => {
            after.push(look(socket));
            answerAs("late")(request, socket);
          }, 5);
        });
        echo.attach(server.http, { path: "/own" });
        let errorListeners = 0;
        server.http.prependListener("upgrade", (_request, socket) => {
          before = look(socket);
          errorListeners = socket.listenerCount("error");
        });
        assertEquals(await statusOf(server, "/hmr"), 299);
        assertEquals(after, [before, before]);
        assertEquals(await statusOf(server, "/own"), 101);
        assertEquals(echo.stats().refused, {});
      }));

    it("refuses all others where it is told to, though somebody watches", () =>
      withEcho(async (server, echo) => {
        const watched: unknown[] = [];
        server.http.on("upgrade", ({ url }) => void watched.push(url));
        const detach = echo.attach(server.http, { path: "/own", others: "refuse" });
        assertEquals(await statusOf(server, "/own"), 101);
        assertEquals(await statusOf(server, "/other"), 404);
        assertEquals(watched, ["/own", "/other"]);
        detach();
      }));

    for (const asked of ["h2c", "TLS/1.2", "websocket/13", "websockets", "h2c, foo/1"]) {
      const askFor = async (
        server: MountHarness<undefined>,
        target: string,
        body = "",
      ): Promise<[status: number, body: string]> => {
        const client = await server.connect();
        const method = body === "" ? "GET" : "POST";
        client.send(
          `${method} ${target} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade, HTTP2-Settings\r\n` +
            `Upgrade: ${asked}\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: ${body.length}\r\n\r\n` +
            body,
        );
        const { status, headers } = await client.readHead();
        const bytes = await client.readBytes(Number(headers.get("content-length")));
        client.socket.end();
        return [status, new TextDecoder().decode(bytes)];
      };

      it(`leaves ${asked} to the HTTP server, as a plain request, when nobody else listens`, () =>
        withEcho(async (server, echo) => {
          const http: UpgradeServer = server.http;
          const before = http.shouldUpgradeCallback;
          const detach = echo.attach(server.http, { path: "/own" });
          const detachAlso = echo.attach(server.http, { path: "/also", others: "refuse" });
          for (const target of ["/own", "/api"]) {
            for (const body of ["", "hello"]) {
              if (before !== undefined) {
                assertEquals(await askFor(server, target, body), [200, target]);
              } else {
                const [status, text] = await askFor(server, target, body);
                assertEquals(status, 501);
                assertMatch(text, /without an Upgrade field/);
              }
            }
          }
          // Nor is it for those who only watch.
          server.http.on("upgrade", () => {});
          assertEquals((await askFor(server, "/own"))[0], before === undefined ? 501 : 200);
          assertEquals(await statusOf(server, "/own"), 101);
          detachAlso();
          detach();
          assert(http.shouldUpgradeCallback === before);
        }));

      it(`leaves ${asked} to others who listen, also with its own path`, () =>
        withEcho(async (server, echo) => {
          server.http.on("upgrade", (request, socket) => {
            if (!/^websocket$/i.test(request.headers.upgrade ?? "")) {
              answerAs("other")(request, socket);
            }
          });
          echo.attach(server.http, { path: "/own" });
          for (const target of ["/own", "/api"]) {
            assertEquals(await askFor(server, target), [299, ""]);
          }
          assertEquals(await statusOf(server, "/own"), 101);
          assertEquals(echo.stats().refused, {});
        }));
    }

    it("refuses with 501 what the server gives it all the same, and nobody else would answer", () =>
      withEcho(async (server, echo) => {
        echo.attach(server.http, { path: "/own" });
        (server.http as UpgradeServer).shouldUpgradeCallback = () => true;
        const client = await server.request(
          upgradeRequest({ target: "/own", headers: { Upgrade: "h2c" } }),
        );
        const { status, headers } = await client.readHead();
        const body = await client.readBytes(Number(headers.get("content-length")));
        client.socket.end();
        assertEquals(status, 501);
        assertMatch(new TextDecoder().decode(body), /send the request without an Upgrade field/);
        await eventually("the end", () => echo.stats().handshakes === 0);
        assertEquals(echo.stats().refused, { 501: 1 });
      }));

    it("asks the shouldUpgradeCallback of the program for what it does not decide", () =>
      withEcho(async (server, echo) => {
        const http: UpgradeServer = server.http;
        if (http.shouldUpgradeCallback === undefined) return;
        const before = ({ url }: IncomingMessage) => url !== "/plain";
        http.shouldUpgradeCallback = before;
        const detach = echo.attach(server.http, { path: "/*" });
        assertEquals(await ask(server, "/plain"), [200, "/plain"]);
        assertEquals(await statusOf(server, "/own"), 101);
        // One that was set later stays.
        const after = () => true;
        http.shouldUpgradeCallback = after;
        detach();
        assert(http.shouldUpgradeCallback === after);
      }));

    it("shares the server with others that are attached, of which the first takes it", () =>
      withEcho(async (server, echo) => {
        const connected: string[] = [];
        const mountAs = (name: string) => mount({ open: () => void connected.push(name) });
        const [a, b] = [await mountAs("a"), await mountAs("b")];
        a.attach(server.http, { path: "/a", others: "refuse" });
        echo.attach(server.http, { path: "/echo" });
        a.attach(server.http, { path: ["/a/*", "/both"] });
        b.attach(server.http, { path: ["/b", "/a/x", "/both"] });
        assertEquals(server.http.listenerCount("upgrade"), 1);
        for (const target of ["/a", "/b", "/a/x", "/both", "/echo"]) {
          assertEquals([target, await statusOf(server, target)], [target, 101]);
        }
        assertEquals(await statusOf(server, "/"), 404);
        assertEquals(connected, ["a", "b", "a", "a"]);
        await a.shutdown();
        await b.shutdown();
      }));

    it("is detached, once, and leaves the others and its connections alone", () =>
      withEcho(async (server, echo) => {
        const other = await mount({}, (conn) => conn.closed);
        const detachOther = other.attach(server.http, { path: "/other" });
        const detach = echo.attach(server.http, { path: "/echo" });
        const client = await server.open({ target: "/echo" });
        detach();
        detach();
        assertEquals(await statusOf(server, "/echo"), 404);
        assertEquals(await statusOf(server, "/other"), 101);
        client.sendText("still there");
        assertEquals(await client.readMessage(), "still there");
        // The same path again, for another.
        const again = other.attach(server.http, { path: "/echo" });
        detach();
        assertEquals(await statusOf(server, "/echo"), 101);
        again();
        detachOther();
        assertEquals(server.http.listenerCount("upgrade"), 0);
        // To the server it is a plain request now.
        assertEquals(await ask(server, "/echo"), [200, "/echo"]);
        await other.shutdown();
      }));

    it("gives way, from the call of shutdown() on, to another that is attached with the same path", () =>
      withEcho(async (server, echo) => {
        const path = ["/echo", "/all/*"];
        echo.attach(server.http, { path });
        const client = await server.open({ target: "/echo" });
        const names: string[] = [];
        const other = await mount({ open: () => void names.push("other") });
        other.attach(server.http, { path: "/*" });
        const next = await mount({ open: () => void names.push("next") });
        next.attach(server.http, { path });
        const done = watch(echo.shutdown({ keepListening: true }));
        assertEquals(await statusOf(server, "/echo"), 503);
        void echo.shutdown({ keepListening: false });
        assertEquals(await statusOf(server, "/echo"), 101);
        assertEquals(await statusOf(server, "/all/x"), 101);
        assertEquals(done.state, "pending");
        client.sendClose(1001);
        await done.untilSettled();
        assertEquals(await statusOf(server, "/echo"), 101);
        assertEquals(names, ["next", "next", "next"]);
        // Where nobody else has the path itself, it is refused, whoever takes everything.
        await next.shutdown();
        assertEquals(await statusOf(server, "/echo"), 503);
        assertEquals(await statusOf(server, "/else"), 101);
        await other.shutdown();
      }));

    it("answers with 503 once it is shut down, until it is detached", () =>
      withEcho(async (server, echo) => {
        const detach = echo.attach(server.http, { path: "/echo" });
        await echo.shutdown();
        assertEquals(await statusOf(server, "/echo"), 503);
        assertEquals(await statusOf(server, "/other"), 404);
        detach();
        assertEquals(await ask(server, "/echo"), [200, "/echo"]);
      }));

    it("keeps errors of what all leave alone from ending the process", () =>
      withEcho(async (server, echo) => {
        echo.attach(server.http, { path: "/echo" });
        const left: Duplex[] = [];
        server.http.on("upgrade", (_request, socket) => void left.push(socket));
        const requests = [
          upgradeRequest({ target: "/nobody" }),
          upgradeRequest({ target: "/echo" }).replace(/upgrade: websocket/i, "Upgrade: other"),
        ];
        for (const request of requests) {
          const client = await server.request(request);
          await eventually("the upgrade", () => left.length > 0);
          const socket = left.pop()!;
          assert(socket.listenerCount("error") > 0);
          client.socket.reset();
          socket.destroy();
        }
      }));

    it("comes back after all listeners were removed", () =>
      withEcho(async (server, echo) => {
        echo.attach(server.http, { path: "/a" });
        server.http.removeAllListeners("upgrade");
        echo.attach(server.http, { path: "/b" });
        assertEquals(server.http.listenerCount("upgrade"), 1);
        for (const target of ["/a", "/b"]) assertEquals(await statusOf(server, target), 101);
      }));

    it("lets a listener of the program have its paths first", () =>
      withEcho(async (server, echo) => {
        echo.attach(server.http, { path: "/own" });
        server.http.prependListener("upgrade", (request, socket, head) => {
          if (request.url?.startsWith("/own")) echo.refuseUpgrade(request, socket, head, 410);
          else if (request.url === "/by-hand") echo.handleUpgrade(request, socket, head);
          else echo.refuseUpgrade(request, socket, head);
        });
        assertEquals(await statusOf(server, "/own"), 410);
        assertEquals(await statusOf(server, "/by-hand"), 101);
        assertEquals(await statusOf(server, "/other"), 404);
      }));

    it("leaves a listener alone that listens once", () =>
      withEcho(async (server, echo) => {
        server.http.once("upgrade", answerAs("once"));
        echo.attach(server.http, { path: "/own" });
        assertEquals(await statusOf(server, "/other"), 299);
        assertEquals(await statusOf(server, "/other"), 404);
      }));
  });
}

describe("attach()", () => {
  it("works before listen() and after it, and needs no `this`", async () => {
    const { attach, shutdown: _, ...rest } = await mount({}, (conn: Connection) => conn.closed);
    assert(rest !== undefined);
    const http = createServer();
    const detach = attach(http, { path: "/before" });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    attach(http, { path: "/after" })();
    detach();
    http.close();
    await once(http, "close");
  });

  it("refuses what is no server, and options that it does not know", async () => {
    const mounted = await mount({}, (conn) => conn.closed);
    const { attach } = mounted as { attach(...given: unknown[]): () => void };
    const http = createServer();
    const app = Object.assign(new EventEmitter(), { listen: () => http });
    for (const server of [undefined, null, {}, "http", 8080, app]) {
      assertThrows(
        () => attach(server, { path: "/" }),
        TypeError,
        "server must be a server of node:http",
      );
    }
    for (const options of [undefined, null, "/chat"]) {
      assertThrows(() => attach(http, options), TypeError, "the options of attach must be");
    }
    for (const name of ["paths", "server", "noServer", "__proto__x"]) {
      assertThrows(
        () => attach(http, { path: "/", [name]: undefined }),
        TypeError,
        `Unknown option attach.${name}: `,
      );
    }
    for (
      const path of [
        undefined,
        null,
        "",
        "chat",
        "*",
        "http://example.com/",
        "/a?b",
        "/a#b",
        "/*/a",
      ]
        .concat("/a*", "/rooms/:id", "/**")
    ) {
      assertThrows(() => attach(http, { path }), TypeError, "path must begin with a slash");
      assertThrows(() => attach(http, { path: ["/", path] }), TypeError, "path must begin with");
    }
    assertThrows(() => attach(http, { path: [] }), TypeError, "path");
    for (const others of [null, true, "", "destroy", "404"]) {
      assertThrows(() => attach(http, { path: "/", others }), TypeError, "others must be");
    }
    assertEquals(http.listenerCount("upgrade"), 0);
    // @ts-expect-error: The types refuse it too.
    assertThrows(() => mounted.attach(http, {}), TypeError);
    // @ts-expect-error: The types refuse it too.
    assertThrows(() => mounted.attach(http, { path: "/", others: "destroy" }), TypeError);
    const server: UpgradeServer = http;
    const options: AttachOptions = { path: ["/"] as const };
    mounted.attach(server, options)();
    await mounted.shutdown();
  });
});

describe("refuseUpgrade()", () => {
  for (const { name, withMounted } of STAGES) {
    it(`answers with the status it is given, on a server of node:${name}`, () =>
      withMounted<undefined>({ ...ECHO, isDetached: true }, async (server) => {
        const statuses = [400, 403, 404, 410, 429, 503, 599];
        server.http.on("upgrade", (request, socket, head) => {
          server.server.refuseUpgrade(request, socket, head, Number(request.url!.slice(1)));
        });
        for (const status of statuses) {
          const [answered, body] = await ask(server, `/${status}`);
          assertEquals([answered, body?.split("\n").length], [status, 2]);
        }
        await eventually("all to be over", () => server.server.stats().handshakes === 0);
        const { refused } = server.server.stats();
        assertEquals(refused, Object.fromEntries(statuses.map((status) => [status, 1])));
      }));
  }

  it("routes by hand between what is mounted, ws, and nobody", () =>
    STAGES[0].withMounted<undefined>({ ...ECHO, isDetached: true }, async (server) => {
      const wss = new WebSocketServer({ noServer: true });
      wss.on("connection", (socket) => socket.send("from ws"));
      const chat = server.server;
      server.http.on("upgrade", (request, socket, head) => {
        if (request.url === "/a") chat.handleUpgrade(request, socket, head);
        else if (request.url === "/b") {
          wss.handleUpgrade(request, socket, head, (ws) => wss.emit("connection", ws, request));
        } else chat.refuseUpgrade(request, socket, head);
      });
      const a = await server.open({ target: "/a" });
      a.sendText("hello");
      assertEquals(await a.readMessage(), "hello");
      const b = await server.open({ target: "/b" });
      assertEquals(await b.readMessage(), "from ws");
      assertEquals(await statusOf(server, "/c"), 404);
      a.socket.reset();
      b.socket.reset();
    }));

  it("refuses another status, and what an upgrade event does not give", async () => {
    const mounted = await mount({}, (conn) => conn.closed);
    const { refuseUpgrade } = mounted as { refuseUpgrade(...given: unknown[]): void };
    for (const status of [0, 101, 200, 301, 399, 600, 404.5, NaN, "404", null]) {
      assertThrows(
        () => refuseUpgrade({}, {}, {}, status),
        RangeError,
        "status must be an integer",
      );
    }
    assertThrows(() => refuseUpgrade({}, {}, {}), TypeError, "Cannot handle the upgrade");
    await mounted.shutdown();
  });

  it("keeps a client that does not leave no longer than `closeTimeoutMs`", () =>
    STAGES[0].withMounted<undefined>(
      { ...ECHO, closeTimeoutMs: 50, isDetached: true },
      async (server) => {
        server.server.attach(server.http, { path: "/own" });
        const client = await server.request(upgradeRequest({ target: "/other" }));
        assertEquals((await client.readHead()).status, 404);
        await client.readToEnd();
        await eventually("the end", () => server.server.stats().handshakes === 0);
        await settle();
        client.socket.reset();
      },
    ));
});
