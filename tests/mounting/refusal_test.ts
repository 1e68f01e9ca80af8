import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { RequestInfo, UpgradeAcceptance } from "../../src/server/mod.ts";
import { withFolder } from "../runtimes/server.ts";
import type { RawResponse } from "../support/raw_client.ts";
import { KEY, type RequestInit, upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { type MountSetup, STAGES } from "./harness.ts";
import { Relay } from "./relay.ts";

/** A refusal is one line of plain text, and says that the connection closes. */
function checkRefusal(response: RawResponse, status: number): void {
  assertEquals(response.status, status, response.body);
  assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
  assertMatch(response.body, /^[ -~]+\n$/);
  assertMatch(response.headers.get("connection") ?? "", /^close(, Upgrade)?$/);
}

/** What HTTP servers let pass. */
const REFUSED: [name: string, status: number, init: RequestInit][] = [
  ["a malformed Host", 400, { headers: { Host: "exa mple.com" } }],
  ["no key", 400, { headers: { "Sec-WebSocket-Key": undefined } }],
  ["two keys", 400, { headers: { "Sec-WebSocket-Key": [KEY, KEY] } }],
  ["a key of 15 bytes", 400, { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" } }],
  ["no version", 400, { headers: { "Sec-WebSocket-Version": undefined } }],
  ["two versions", 400, { headers: { "Sec-WebSocket-Version": ["13", "13"] } }],
  ["two Origins", 400, { headers: { Origin: ["http://example.com", "http://example.com"] } }],
  ["a malformed subprotocol", 400, { headers: { "Sec-WebSocket-Protocol": "chat;v1" } }],
  ["a malformed extension", 400, { headers: { "Sec-WebSocket-Extensions": "x; =1" } }],
  ["an announced body", 400, { headers: { "Content-Length": "5" } }],
  ["another site's origin", 403, { headers: { Origin: "http://example.org" } }],
  ["another method", 405, { method: "POST" }],
  ["an earlier version of WebSocket", 426, { headers: { "Sec-WebSocket-Version": "8" } }],
  ["another protocol", 426, { headers: { Upgrade: "h2c" } }],
  ["many headers", 431, { headers: { "X-Many": Array(100).fill("a") } }],
  ["HTTP/1.0", 505, { version: "HTTP/1.0" }],
];

/** What HTTP servers may have refused already, or answered as plain HTTP. */
const NOT_OPENED: [name: string, init: RequestInit][] = [
  ["no Host", { headers: { Host: undefined } }],
  ["two Hosts", { headers: { Host: ["example.com", "example.com"] } }],
  ["no Connection", { headers: { Connection: undefined } }],
  ["a chunked body", { headers: { "Transfer-Encoding": "chunked" } }],
  ["a folded header", { headers: { "X-Folded": "a\r\n b" } }],
  ["a bare LF in a header", { headers: { "X-Bare": "a\nX-Other: b" } }],
  ["a bare CR in a header", { headers: { "X-Bare": "a\rb" } }],
  ["NUL in a header", { headers: { "X-Nul": "a\0b" } }],
  ["a control character in a header", { headers: { "X-Control": "a\x01b" } }],
  ["a space before the colon", { headers: { "X-Space ": "a" } }],
  ["a fragment in the target", { target: "/#fragment" }],
  ["an octet in the target", { target: "/\xe4" }],
  ["another host in the target", { target: "http://example.org/" }],
];

for (const { name, withMounted } of STAGES) {
  describe(`a request to what is mounted on ${name}`, () => {
    it("is refused as strictly as by serve()", () => {
      let hooks = 0;
      return withMounted({ upgrade: () => (hooks++, {}) }, async (server) => {
        for (const [what, status, init] of REFUSED) {
          const client = await server.request(upgradeRequest(init), "hello");
          try {
            checkRefusal(await client.readResponse(), status);
          } catch (error) {
            throw new Error(`With ${what}`, { cause: error });
          }
          client.socket.end();
          await client.untilClosed();
        }
        assertEquals(hooks, 0);
        await eventually("all to be over", () => server.server.stats().handshakes === 0);
        const { refused } = server.server.stats();
        assertEquals(Object.values(refused).reduce((a, b) => a + b), REFUSED.length);
      });
    });

    it("opens nothing where it is malformed", () => {
      let hooks = 0;
      return withMounted({ upgrade: () => (hooks++, {}) }, async (server) => {
        for (const [what, init] of NOT_OPENED) {
          const client = await server.request(upgradeRequest(init));
          const { status } = await client.readHead();
          assertNotEquals(status, 101, what);
          client.socket.reset();
        }
        await eventually("all to be over", () => server.server.stats().handshakes === 0);
        assertEquals(hooks, 0);
      });
    });

    it("is answered with the response of the hook", () => {
      const upgrade = (request: Request) =>
        new Response(`Who are you, ${new URL(request.url).pathname}?`, {
          status: 401,
          headers: { "WWW-Authenticate": "Basic" },
        });
      return withMounted({ upgrade }, async (server) => {
        const client = await server.request(upgradeRequest({ target: "/x" }));
        const response = await client.readResponse();
        assertEquals([response.status, response.body], [401, "Who are you, /x?"]);
        assertEquals(response.headers.get("www-authenticate"), "Basic");
        client.socket.end();
        await client.untilClosed();
      });
    });

    it("is answered with 500 where the hook throws", () => {
      const error = new Error("from the hook");
      const upgrade = () => Promise.reject(error);
      return withMounted({ upgrade }, async (server) => {
        const client = await server.request(upgradeRequest());
        checkRefusal(await client.readResponse(), 500);
        client.socket.end();
        assertEquals(server.takeErrors(), [error]);
      });
    });

    it("is answered with 408 where the hook takes too long, and its signal aborts", () => {
      const signals: AbortSignal[] = [];
      const setup: MountSetup<undefined> = {
        handshakeTimeoutMs: 50,
        upgrade(_, { signal }) {
          signals.push(signal);
          return new Promise((resolve) => signal.addEventListener("abort", () => resolve({})));
        },
      };
      return withMounted(setup, async (server) => {
        const client = await server.request(upgradeRequest());
        checkRefusal(await client.readResponse(), 408);
        client.socket.end();
        assertEquals(signals.map(({ aborted }) => aborted), [true]);
      });
    });

    it("is refused with 503 where there are as many connections as there may be", () =>
      withMounted({ maxConnectionsPerAddress: 1 }, async (server) => {
        await server.open();
        const client = await server.request(upgradeRequest());
        checkRefusal(await client.readResponse(), 503);
        client.socket.end();
      }));

    it("is dropped where there are as many handshakes as there may be", () => {
      const events: string[] = [];
      const gate = Promise.withResolvers<UpgradeAcceptance<undefined>>();
      const setup: MountSetup<undefined> = {
        maxHandshakes: 1,
        upgrade: () => gate.promise,
        onEvent: ({ type }) => void events.push(type),
      };
      return withMounted(setup, async (server) => {
        const first = await server.request(upgradeRequest());
        await eventually("the first", () => server.server.stats().handshakes === 1);
        const second = await server.request(upgradeRequest());
        assertEquals((await second.readToEnd()).length, 0);
        assertEquals(events, ["drop"]);
        gate.resolve({});
        assertEquals((await first.readHead()).status, 101);
      });
    });

    it("is not followed by another: what comes behind a refused one is dropped", () =>
      withMounted({}, async (server) => {
        const plain = "GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n";
        const refused = upgradeRequest({ headers: { "Sec-WebSocket-Version": "8" } });
        const client = await server.request(refused, plain);
        client.send(plain);
        checkRefusal(await client.readResponse(), 426);
        client.socket.end();
        await client.untilClosed();
      }));
  });

  describe(`a client that leaves what is mounted on ${name}`, () => {
    it("by FIN while the hook is awaited: the WebSocket is opened, and ends with 1006", () => {
      const gate = Promise.withResolvers<UpgradeAcceptance<undefined>>();
      const ends: number[] = [];
      const setup: MountSetup<undefined> = {
        upgrade: () => gate.promise,
        close: (_, { closeCode }) => void ends.push(closeCode),
      };
      return withMounted(setup, async (server) => {
        const client = await server.request(upgradeRequest());
        client.socket.end();
        await settle();
        gate.resolve({});
        assertEquals((await client.readHead()).status, 101);
        assertEquals((await client.readToEnd()).length, 0);
        await client.untilClosed();
        await eventually("the close callback", () => ends.length > 0);
        assertEquals(ends, [1006]);
      });
    });

    it("by RST while the hook is awaited: nothing is left", () => {
      const gate = Promise.withResolvers<UpgradeAcceptance<undefined>>();
      let calls = 0, open = 0;
      const setup: MountSetup<undefined> = {
        upgrade: () => (calls++, gate.promise),
        open: () => void open++,
        close: () => void open--,
      };
      return withMounted(setup, async (server) => {
        const client = await server.request(upgradeRequest());
        await eventually("the hook to be called", () => calls === 1);
        client.socket.reset();
        await settle();
        gate.resolve({});
        await eventually("all to be over", () => {
          const { connections, handshakes } = server.server.stats();
          return connections === 0 && handshakes === 0;
        });
        assertEquals(open, 0);
      });
    });

    it("by RST while the hook is awaited: its signal aborts", () => {
      const gate = Promise.withResolvers<UpgradeAcceptance<undefined>>();
      let info: RequestInfo | undefined;
      const setup: MountSetup<undefined> = {
        upgrade(_, given) {
          info = given;
          return gate.promise;
        },
      };
      return withMounted(setup, async (server) => {
        const relay = await Relay.open(server.port);
        const client = await server.connectVia(relay);
        client.send(upgradeRequest());
        await eventually("the hook to be called", () => info !== undefined);
        relay.reset();
        await eventually("the signal to abort", () => info!.signal.aborted);
        assertEquals((info!.signal.reason as DOMException).name, "AbortError");
        gate.resolve({});
        await settle();
        assertEquals(server.server.connections.size, 0);
        relay.close();
      });
    });

    for (const unix of name === "http" ? [false, true] : [false]) {
      it(`by FIN${unix ? " on a Unix socket" : ""} while the hook is awaited: its signal aborts`, async () => {
        let info: RequestInfo | undefined;
        const setup: MountSetup<undefined> = {
          handshakeTimeoutMs: Infinity,
          upgrade(_, given) {
            info = given;
            return new Promise(() => {});
          },
        };
        await withFolder((folder) => {
          const path = unix ? `${folder}/socket` : undefined;
          return withMounted({ ...setup, path }, async (server) => {
            const client = await server.request(upgradeRequest(), "early");
            await eventually("the hook to be called", () => info !== undefined);
            assertEquals([info!.signal.aborted, info!.shutdownSignal.aborted], [false, false]);
            client.socket.end();
            await eventually("the signal to abort", () => info!.signal.aborted);
            assertEquals((info!.signal.reason as DOMException).name, "AbortError");
            await eventually("the client to be dropped", () => {
              return server.server.stats().handshakes === 0;
            });
          });
        });
      });
    }

    it("by RST at every part of the request", () =>
      withMounted({}, async (server) => {
        const request = upgradeRequest();
        for (let length = 1; length < request.length; length += 23) {
          const client = await server.request(request.slice(0, length));
          await settle(1);
          client.socket.reset();
        }
        assert(!(await server.open()).isClosed);
      }));
  });
}
