import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { HandshakeError, type RequestInfo } from "../../src/server/mod.ts";
import { ACCEPT, upgradeRequest } from "../support/requests.ts";
import { closeFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { type Setup, TRANSPORTS } from "../support/transports.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const OFFER = { headers: { "Sec-WebSocket-Protocol": "chat.v2, chat.v1" } };

for (const { name, withServer } of TRANSPORTS) {
  describe(`the upgrade hook over ${name}`, () => {
    it("sees the request, and what is known of the client", () => {
      const seen: [Request, RequestInfo][] = [];
      const setup = {
        upgrade: (request: Request, info: RequestInfo) => (seen.push([request, info]), {}),
      };
      return withServer(setup, async (server) => {
        const { conn } = await server.openPair({
          target: "/chat?room=1",
          headers: { ...OFFER.headers, "X-Token": "abc", Cookie: ["a=1", "b=2"] },
        });
        const [[request, info], ...more] = seen;
        assertEquals(more, []);
        assertInstanceOf(request, Request);
        assertEquals(request.url, "http://example.com/chat?room=1");
        assertEquals([request.method, request.body], ["GET", null]);
        assertEquals(request.headers.get("x-token"), "abc");
        assertEquals(request.headers.get("cookie"), "a=1; b=2");
        assertEquals(info.subprotocols, ["chat.v2", "chat.v1"]);
        assertEquals(info.remoteAddress, conn.remoteAddress);
        assertEquals(info.localAddress, conn.localAddress);
        assertEquals(info.signal.aborted, false);
        assert(conn.request === request, "the connection has another request");
      });
    });

    it("may be left out", () =>
      withServer({}, async (server) => {
        const { conn } = await server.openPair({ target: "/path", ...OFFER });
        assertEquals([conn.data, conn.protocol, conn.extensions], [undefined, "", ""]);
        assertEquals(conn.request.url, "http://example.com/path");
        assert(conn.request === conn.request);
      }));

    it("selects no subprotocol silently", () =>
      withServer({ upgrade: () => ({}) }, async (server) => {
        const client = await server.request(upgradeRequest(OFFER));
        const { headers } = await client.readHead();
        assertEquals(headers.get("sec-websocket-protocol"), undefined);
      }));

    for (const how of ["at once", "in a promise"]) {
      it(`accepts with a subprotocol, headers and data, ${how}`, () => {
        const acceptance = {
          protocol: "chat.v1",
          headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]] as [string, string][],
          data: { user: "ada" },
        };
        const upgrade = () => how === "at once" ? acceptance : Promise.resolve(acceptance);
        return withServer({ upgrade }, async (server) => {
          const client = await server.request(upgradeRequest(OFFER));
          const { status, headers } = await client.readHead();
          assertEquals(status, 101);
          assertEquals(headers.get("upgrade"), "websocket");
          assertEquals(headers.get("connection"), "Upgrade");
          assertEquals(headers.get("sec-websocket-accept"), ACCEPT);
          assertEquals(headers.get("sec-websocket-protocol"), "chat.v1");
          assertEquals(headers.get("set-cookie"), "a=1, b=2");
          const [conn] = server.server.connections;
          assertEquals(conn.protocol, "chat.v1");
          assertEquals(conn.data.user, "ada");
          conn.data = { user: "bob" };
          assertEquals(conn.data, { user: "bob" });
        });
      });
    }

    it("refuses with a Response, body and all, and nothing follows", () => {
      const upgrade = () =>
        new Response("Who are you?\n", { status: 401, headers: { "WWW-Authenticate": "Basic" } });
      return withServer({ upgrade }, async (server) => {
        const client = await server.request(upgradeRequest(), textFrame("a"));
        const { status, headers, body } = await client.readResponse();
        assertEquals([status, body], [401, "Who are you?\n"]);
        assertEquals(headers.get("www-authenticate"), "Basic");
        await client.finish();
        assertEquals(server.server.connections.size, 0);
      });
    });

    it("refuses with a HandshakeError, which is no error to report", () => {
      const upgrade = () => {
        throw new HandshakeError(429, "Too many", [["Retry-After", "5"]]);
      };
      return withServer({ upgrade }, async (server) => {
        const { status, headers, body } = await server.fetch(upgradeRequest());
        assertEquals([status, headers.get("retry-after"), body], [429, "5", "Too many\n"]);
      });
    });

    const FAULTS: [name: string, upgrade: () => unknown, message: RegExp][] = [
      ["selects a subprotocol not offered", () => ({ protocol: "chat.v3" }), /chat\.v3.*offered/],
      ["selects one in another case", () => ({ protocol: "Chat.v1" }), /Chat\.v1.*offered/],
      ["selects what is no token", () => ({ protocol: "chat v1" }), /token/],
      ["gives a header with CR LF", () => ({ headers: { "X-A": "b\r\nX-C: d" } }), /X-A/],
      ["gives a header with NUL", () => ({ headers: { "X-A": "\0" } }), /X-A/],
      ["gives a header that is the handshake's", () => ({
        headers: { "Sec-WebSocket-Protocol": "chat.v1" },
      }), /Sec-WebSocket-Protocol/],
    ];
    for (const [what, hook, message] of FAULTS) {
      it(`answers 500 and reports where it ${what}`, () => {
        const upgrade = hook as () => object;
        return withServer({ upgrade }, async (server) => {
          const client = await server.request(upgradeRequest(OFFER), textFrame("a"));
          const { status, body } = await client.readResponse();
          assertEquals([status, body], [500, "Internal server error\n"]);
          const [error, ...more] = server.takeErrors();
          assertMatch(String(error), message);
          assertEquals(more, []);
          await client.finish();
        });
      });
    }

    it("is called as a method of the options", () => {
      const user = Symbol("user");
      const setup = {
        [user]: "ada",
        upgrade() {
          return { data: this[user] };
        },
      };
      return withServer<string>(setup, async (server) => {
        assertEquals((await server.openPair()).conn.data, "ada");
      });
    });
  });
}

const REQUEST = utf8(upgradeRequest());
const FRAMES = concatBytes([textFrame("a"), textFrame("b".repeat(200)), textFrame("")]);
const BYTES = concatBytes([REQUEST, FRAMES, closeFrame(1000)]);
const MESSAGES = ["a", "b".repeat(200), ""];

/** Where to cut: in the request, at its end, and in the frames behind it. */
const CUTS = [1, REQUEST.length - 3, REQUEST.length - 1, REQUEST.length, REQUEST.length + 1]
  .concat([REQUEST.length + 7, REQUEST.length + 9, REQUEST.length + 100, BYTES.length - 1]);

for (const { name, withServer } of TRANSPORTS) {
  describe(`bytes behind the upgrade request over ${name}`, () => {
    for (const isAsync of [false, true]) {
      const hook = isAsync ? "an async hook" : "no hook";
      const upgrade = isAsync ? () => settle().then(() => ({})) : undefined;

      /** Sends the pieces, and checks that every message arrives once, and in order. */
      const check = (pieces: Uint8Array[]) => {
        const received: unknown[] = [];
        const message = (_: unknown, data: unknown) => void received.push(data);
        return withServer({ upgrade, message }, async (server) => {
          const client = await server.connect();
          for (const piece of pieces) client.send(piece);
          assertEquals((await client.readHead()).status, 101);
          assertEquals(await client.readClose(), [1000, ""]);
          await client.finish();
          assertEquals(received, MESSAGES);
        });
      };

      it(`are received with ${hook}, all in one piece`, () => check([BYTES]));

      it(`are received with ${hook}, cut in two`, async () => {
        for (const cut of CUTS) await check([BYTES.subarray(0, cut), BYTES.subarray(cut)]);
      });

      it(`are received with ${hook}, byte by byte`, () =>
        check(Array.from(BYTES, (_, i) => BYTES.subarray(i, i + 1))));
    }

    for (const how of ["iteration", "streams", "streamed messages", "an async callback"]) {
      it(`are received in order with ${how}, though they are more than the queue holds`, () => {
        const received: unknown[] = [];
        const expected = Array.from({ length: 30 }, (_, i) => String(i));
        const setups: Record<string, Setup<unknown>> = {
          iteration: {
            async handler(conn) {
              for await (const message of conn) received.push(message);
            },
          },
          streams: {
            async handler(conn) {
              for await (const message of conn.readable) received.push(message);
            },
          },
          "streamed messages": {
            async handler(conn) {
              for await (const message of conn.messages()) received.push(await message.text());
            },
          },
          "an async callback": {
            async message(_, data) {
              await settle(1);
              received.push(data);
            },
          },
        };
        const setup = { ...setups[how], limits: { receiveQueueMessages: 2 } };
        return withServer(setup, async (server) => {
          const frames = expected.map(textFrame);
          const client = await server.request(REQUEST, ...frames.slice(0, 15));
          for (const frame of frames.slice(15)) client.send(frame);
          assertEquals((await client.readHead()).status, 101);
          await eventually("all messages", () => received.length === expected.length);
          assertEquals(received, expected);
        });
      });
    }
  });
}
