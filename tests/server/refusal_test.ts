import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { AcceptOptions } from "../../src/server/mod.ts";
import { checkRefusal, MALFORMED, REFUSED } from "../support/refusals.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS } from "../support/transports.ts";

const OTHERS: typeof REFUSED = [
  ["a Connection without Upgrade", 400, { headers: { Connection: "keep-alive" } }],
  ["an empty key", 400, { headers: { "Sec-WebSocket-Key": "" } }],
  ["a key with stray bits", 400, { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" } }],
  ["a key without padding", 400, { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" } }],
  ["a subprotocol twice", 400, { headers: { "Sec-WebSocket-Protocol": "chat, chat" } }],
  ["the origin of another scheme", 403, { headers: { Origin: "https://example.com" } }],
  ["the origin of another port", 403, { headers: { Origin: "http://example.com:8080" } }],
  ["the origin null", 403, { headers: { Origin: "null" } }],
  ["a long request line", 414, { target: `/${"a".repeat(8192)}` }],
  ["plain HTTP", 426, { headers: { Upgrade: undefined } }],
  ["a long header", 431, { headers: { "X-Long": "a".repeat(8192) } }],
  ["a large head", 431, { headers: { "X-Large": Array(4).fill("a".repeat(4096)) } }],
  ["HTTP/2.0", 505, { version: "HTTP/2.0" }],
];

for (const { name, withServer } of TRANSPORTS) {
  describe(`a refused request over ${name}`, () => {
    for (const [what, status, init] of [...REFUSED, ...MALFORMED, ...OTHERS]) {
      it(`${what}: ${status}`, () =>
        withServer({}, async (server) => {
          const client = await server.request(upgradeRequest(init));
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
  });
}
