import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { AcceptOptions } from "../../src/server/mod.ts";
import type { RawResponse } from "../support/raw_client.ts";
import { httpRequest, type RequestInit, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS } from "../support/transports.ts";

/** A refusal is one line of plain text, and says that the connection closes. */
function checkRefusal(response: RawResponse, status: number): void {
  assertEquals(response.status, status, response.body);
  assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
  assertMatch(response.body, /^[ -~]+\n$/);
  assertEquals(response.headers.get("content-length"), String(response.body.length));
  assertMatch(response.headers.get("connection") ?? "", /^close(, Upgrade)?$/);
  assert(response.headers.has("date"));
}

const REFUSED: [name: string, status: number, init: RequestInit][] = [
  ["no Host", 400, { headers: { Host: undefined } }],
  ["two Hosts", 400, { headers: { Host: ["example.com", "example.com"] } }],
  ["a malformed Host", 400, { headers: { Host: "exa mple.com" } }],
  ["no Connection", 400, { headers: { Connection: undefined } }],
  ["a Connection without Upgrade", 400, { headers: { Connection: "keep-alive" } }],
  ["no key", 400, { headers: { "Sec-WebSocket-Key": undefined } }],
  ["an empty key", 400, { headers: { "Sec-WebSocket-Key": "" } }],
  ["two keys", 400, {
    headers: { "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="] },
  }],
  ["a key of 15 bytes", 400, { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" } }],
  ["a key with stray bits", 400, { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" } }],
  ["a key without padding", 400, { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" } }],
  ["no version", 400, { headers: { "Sec-WebSocket-Version": undefined } }],
  ["two versions", 400, { headers: { "Sec-WebSocket-Version": ["13", "13"] } }],
  ["two Origins", 400, { headers: { Origin: ["http://example.com", "http://example.com"] } }],
  ["a malformed subprotocol", 400, { headers: { "Sec-WebSocket-Protocol": "chat;v1" } }],
  ["a subprotocol twice", 400, { headers: { "Sec-WebSocket-Protocol": "chat, chat" } }],
  ["a malformed extension", 400, { headers: { "Sec-WebSocket-Extensions": "x; =1" } }],
  ["an announced body", 400, { headers: { "Content-Length": "5" } }],
  ["a chunked body", 400, { headers: { "Transfer-Encoding": "chunked" } }],
  ["a folded header", 400, { headers: { "X-Folded": "a\r\n b" } }],
  ["a bare LF in a header", 400, { headers: { "X-Bare": "a\nX-Other: b" } }],
  ["a bare CR in a header", 400, { headers: { "X-Bare": "a\rb" } }],
  ["NUL in a header", 400, { headers: { "X-Nul": "a\0b" } }],
  ["a space before the colon", 400, { headers: { "X-Space ": "a" } }],
  ["another site's origin", 403, { headers: { Origin: "http://example.org" } }],
  ["the origin of another scheme", 403, { headers: { Origin: "https://example.com" } }],
  ["the origin of another port", 403, { headers: { Origin: "http://example.com:8080" } }],
  ["the origin null", 403, { headers: { Origin: "null" } }],
  ["another method", 405, { method: "POST" }],
  ["a long request line", 414, { target: `/${"a".repeat(8192)}` }],
  ["an earlier version of WebSocket", 426, { headers: { "Sec-WebSocket-Version": "8" } }],
  ["plain HTTP", 426, { headers: { Upgrade: undefined } }],
  ["another protocol", 426, { headers: { Upgrade: "h2c" } }],
  ["a long header", 431, { headers: { "X-Long": "a".repeat(8192) } }],
  ["many headers", 431, { headers: { "X-Many": Array(100).fill("a") } }],
  ["a large head", 431, { headers: { "X-Large": Array(4).fill("a".repeat(4096)) } }],
  ["HTTP/1.0", 505, { version: "HTTP/1.0" }],
  ["HTTP/2.0", 505, { version: "HTTP/2.0" }],
];

const MALFORMED: [name: string, status: number, bytes: string][] = [
  ["no HTTP at all", 400, "\x00\x01\x02\x03"],
  ["TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["frames without a handshake", 400, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"],
  ["a line feed for a line", 400, "GET / HTTP/1.1\nHost: example.com\n\n"],
  ["a request line without a version", 400, "GET /\r\n"],
  ["HTTP/2 without a handshake", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
];

for (const { name, withServer } of TRANSPORTS) {
  describe(`a refused request over ${name}`, () => {
    for (const [what, status, init] of REFUSED) {
      it(`${what}: ${status}`, () =>
        withServer({}, async (server) => {
          const client = await server.request(upgradeRequest(init));
          checkRefusal(await client.readResponse(), status);
          await client.finish();
        }));
    }

    for (const [what, status, bytes] of MALFORMED) {
      it(`${what}: ${status}`, () =>
        withServer({}, async (server) => {
          const client = await server.request(bytes);
          checkRefusal(await client.readResponse(), status);
          await client.finish();
        }));
    }

    it("names the version it wants, where it is asked for another or for none", () =>
      withServer({}, async (server) => {
        for (const init of [{ headers: { "Sec-WebSocket-Version": "12" } }, undefined]) {
          const request = init === undefined ? httpRequest() : upgradeRequest(init);
          const { status, headers } = await server.fetch(request);
          assertEquals(status, 426);
          assertEquals(headers.get("sec-websocket-version"), "13");
          assertEquals(headers.get("upgrade"), "websocket");
          assertEquals(headers.get("connection"), "close, Upgrade");
        }
      }));

    it("plain HTTP that is malformed: 400, though nothing is served", () =>
      withServer({}, async (server) => {
        for (
          const headers of [
            { Host: undefined },
            { Host: ["a", "a"] },
            { "Content-Length": "x" },
            { "Transfer-Encoding": "chunked", "Content-Length": "0" },
          ]
        ) {
          for (const method of ["GET", "POST", "FOO"]) {
            checkRefusal(await server.fetch(httpRequest({ method, headers })), 400);
          }
        }
      }));

    it("sends no body to HEAD", () =>
      withServer({}, async (server) => {
        for (const [request, expected] of [[upgradeRequest, 405], [httpRequest, 426]] as const) {
          const client = await server.request(request({ method: "HEAD" }), "\r\n");
          const { status, headers } = await client.readHead();
          assertEquals(status, expected);
          assert(Number(headers.get("content-length")) > 0);
          await client.finish();
        }
      }));

    it("names the method it wants", () =>
      withServer({}, async (server) => {
        assertEquals(
          (await server.fetch(upgradeRequest({ method: "POST" }))).headers.get("allow"),
          "GET",
        );
      }));

    it("never parses what follows, with the request or after it", () => {
      let calls = 0;
      const count = () => (calls++, {});
      return withServer({ upgrade: count, handler: count }, async (server) => {
        for (const first of [upgradeRequest({ version: "HTTP/1.0" }), httpRequest(), "?"]) {
          const client = await server.request(first, upgradeRequest());
          client.send(upgradeRequest());
          await client.readResponse();
          client.send(upgradeRequest());
          await client.finish();
        }
        assertEquals(calls, 0);
      });
    });

    it("a head that is not whole when the client ends: 400", () =>
      withServer({}, async (server) => {
        const client = await server.request(upgradeRequest().slice(0, -2));
        client.socket.end();
        checkRefusal(await client.readResponse(), 400);
        await client.untilClosed();
        assertEquals(client.error, undefined);
      }));

    it("no head at all when the client ends: no response", () =>
      withServer({}, async (server) => {
        const client = await server.connect();
        client.socket.end();
        assertEquals((await client.readToEnd()).length, 0);
        await client.untilClosed();
        assertEquals(client.error, undefined);
      }));
  });

  describe(`limits of the request head over ${name}`, () => {
    const host = "Host: a\r\n";
    const LIMITS: [limit: keyof AcceptOptions, size: number, head: string, status: number][] = [
      ["maxHeadLineSize", 14, `GET / HTTP/1.1\r\n${host}\r\n`, 414],
      ["maxHeadLineSize", 18, `GET / HTTP/1.1\r\n${host}X: 345678901234567\r\n\r\n`, 431],
      ["maxHeadSize", 27, `GET / HTTP/1.1\r\n${host}\r\n`, 431],
      ["maxHeadFields", 2, `GET / HTTP/1.1\r\n${host}X: \r\n\r\n`, 431],
    ];
    for (const [limit, size, head, status] of LIMITS) {
      it(`${limit}: one below, at, and one above what is sent`, async () => {
        for (const [value, expected] of [[size - 1, status], [size, 200], [size + 1, 200]]) {
          const setup = { [limit]: value, fetch: () => new Response("here") };
          await withServer(setup, async (server) => {
            assertEquals((await server.fetch(head)).status, expected, `${limit} ${value}`);
          });
        }
      });
      it(`${limit}: Infinity is no limit`, () => {
        const setup = { [limit]: Infinity, fetch: () => new Response("here") };
        return withServer(setup, async (server) => {
          const long = {
            maxHeadFields: "X: y\r\n".repeat(150),
            maxHeadLineSize: `X: ${"y".repeat(15_000)}\r\n`,
            maxHeadSize: `X: ${"y".repeat(7000)}\r\n`.repeat(3),
          }[limit as string];
          assertEquals((await server.fetch(`GET / HTTP/1.1\r\n${host}${long}\r\n`)).status, 200);
        });
      });
    }
  });

  describe(`the origin policy over ${name}`, () => {
    const policies: [AcceptOptions["origin"], origin: string | undefined, status: number][] = [
      ["same", "http://example.com", 101],
      ["same", "http://example.com:80", 101],
      ["same", undefined, 101],
      ["any", "http://example.org", 101],
      [["http://example.org"], "http://example.org", 101],
      [["http://example.org"], "http://example.com", 403],
      [(origin) => origin.endsWith(".org"), "http://example.org", 101],
      [(origin) => origin.endsWith(".org"), "http://example.com", 403],
    ];
    for (const [origin, sent, status] of policies) {
      it(`${typeof origin === "function" ? "a function" : origin}: ${sent}: ${status}`, () =>
        withServer({ origin }, async (server) => {
          const client = await server.request(upgradeRequest({ headers: { Origin: sent } }));
          assertEquals((await client.readHead()).status, status);
        }));
    }

    it("a function that throws, or gives no boolean: 500, and onError", async () => {
      const broken = new Error("broken");
      const functions = [() => {
        throw broken;
      }, () => 1 as unknown as boolean];
      for (const origin of functions) {
        await withServer({ origin }, async (server) => {
          checkRefusal(
            await server.fetch(
              upgradeRequest({ headers: { Origin: "http://example.com" } }),
            ),
            500,
          );
          const [error, ...more] = server.takeErrors();
          assert(error === broken || error instanceof TypeError);
          assertEquals(more, []);
        });
      }
    });
  });
}
