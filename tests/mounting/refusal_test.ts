import { describe, it } from "node:test";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { CloseInfo } from "../../src/server/mod.ts";
import { withFolder } from "../runtimes/server.ts";
import { Hook } from "../support/hook.ts";
import { checkRefusal, MALFORMED, REFUSED } from "../support/refusals.ts";
import { upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { type MountSetup, STAGES } from "./harness.ts";
import { Relay } from "./relay.ts";

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
        for (const [what, , init] of MALFORMED) {
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

    it("is dropped where there are as many handshakes as there may be", () => {
      const events: string[] = [];
      const hook = new Hook<object>();
      const setup: MountSetup<undefined> = {
        maxHandshakes: 1,
        upgrade: hook.call,
        onEvent: ({ type }) => void events.push(type),
      };
      return withMounted(setup, async (server) => {
        const first = await server.request(upgradeRequest());
        await eventually("the first", () => server.server.stats().handshakes === 1);
        const second = await server.request(upgradeRequest());
        assertEquals((await second.readToEnd()).length, 0);
        assertEquals(events, ["drop"]);
        hook.resolve({});
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
      const hook = new Hook<object>();
      const ends: number[] = [];
      const close = (_: unknown, { closeCode }: CloseInfo) => void ends.push(closeCode);
      return withMounted({ upgrade: hook.call, close }, async (server) => {
        const client = await server.request(upgradeRequest());
        client.socket.end();
        await settle();
        hook.resolve({});
        assertEquals((await client.readHead()).status, 101);
        assertEquals((await client.readToEnd()).length, 0);
        await client.untilClosed();
        await eventually("the close callback", () => ends.length > 0);
        assertEquals(ends, [1006]);
      });
    });

    it("by RST while the hook is awaited: nothing is left", () => {
      const hook = new Hook<object>();
      let open = 0;
      const setup = { upgrade: hook.call, open: () => void open++, close: () => void open-- };
      return withMounted(setup, async (server) => {
        const client = await server.request(upgradeRequest());
        await hook.untilCalled();
        client.socket.reset();
        await settle();
        hook.resolve({});
        await eventually("all to be over", () => {
          const { connections, handshakes } = server.server.stats();
          return connections === 0 && handshakes === 0;
        });
        assertEquals(open, 0);
      });
    });

    it("by RST while the hook is awaited: its signal aborts", () => {
      const hook = new Hook<object>();
      return withMounted({ upgrade: hook.call }, async (server) => {
        const relay = await Relay.open(server.port);
        const client = await server.connectVia(relay);
        client.send(upgradeRequest());
        await hook.untilCalled();
        relay.reset();
        await eventually("the signal to abort", () => hook.signal.aborted);
        assertEquals((hook.signal.reason as DOMException).name, "AbortError");
        hook.resolve({});
        await settle();
        assertEquals(server.server.connections.size, 0);
        relay.close();
      });
    });

    for (const unix of name === "http" ? [false, true] : [false]) {
      it(`by FIN${unix ? " on a Unix socket" : ""} while the hook is awaited: its signal aborts`, async () => {
        const hook = new Hook<object>();
        const setup = { handshakeTimeoutMs: Infinity, upgrade: hook.call };
        await withFolder((folder) => {
          const path = unix ? `${folder}/socket` : undefined;
          return withMounted({ ...setup, path }, async (server) => {
            const client = await server.request(upgradeRequest(), "early");
            await hook.untilCalled();
            assertEquals([hook.signal.aborted, hook.info.shutdownSignal.aborted], [false, false]);
            client.socket.end();
            await eventually("the signal to abort", () => hook.signal.aborted);
            assertEquals((hook.signal.reason as DOMException).name, "AbortError");
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
