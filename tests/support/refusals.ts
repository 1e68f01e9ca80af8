import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RawResponse } from "./raw_client.ts";
import { KEY, type RequestInit } from "./requests.ts";

/** A refusal is one line of plain text, and says that the connection closes. */
export function checkRefusal(response: RawResponse, status: number): void {
  assertEquals(response.status, status, response.body);
  assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
  assertMatch(response.body, /^[ -~]+\n$/);
  assertEquals(response.headers.get("content-length"), String(response.body.length));
  assertMatch(response.headers.get("connection") ?? "", /^close(, Upgrade)?$/);
  assert(response.headers.has("date"));
}

type Refused = [name: string, status: number, init: RequestInit];

/** What HTTP servers let pass. */
export const REFUSED: Refused[] = [
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
export const MALFORMED: Refused[] = [
  ["no Host", 400, { headers: { Host: undefined } }],
  ["two Hosts", 400, { headers: { Host: ["example.com", "example.com"] } }],
  ["no Connection", 400, { headers: { Connection: undefined } }],
  ["a chunked body", 400, { headers: { "Transfer-Encoding": "chunked" } }],
  ["a folded header", 400, { headers: { "X-Folded": "a\r\n b" } }],
  ["a bare LF in a header", 400, { headers: { "X-Bare": "a\nX-Other: b" } }],
  ["a bare CR in a header", 400, { headers: { "X-Bare": "a\rb" } }],
  ["NUL in a header", 400, { headers: { "X-Nul": "a\0b" } }],
  ["a control character in a header", 400, { headers: { "X-Control": "a\x01b" } }],
  ["a space before the colon", 400, { headers: { "X-Space ": "a" } }],
  ["a fragment in the target", 400, { target: "/#fragment" }],
  ["an octet in the target", 400, { target: "/\xe4" }],
  ["another host in the target", 400, { target: "http://example.org/" }],
];
