/**
 * What is no request for a WebSocket, and what pretends to be several.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { httpRequest, type RequestInit, upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "./attack.ts";

function refused(name: string, status: number, request: string): Attack {
  return {
    name,
    outcome: `${status}, once, and the end`,
    async run(target) {
      const attacker = await target.send(request);
      // With what follows the request: one more, which is none.
      attacker.send(upgradeRequest());
      assertEquals((await attacker.readResponse()).status, status);
      await attacker.finish();
    },
  };
}

function upgrade(name: string, status: number, init: RequestInit): Attack {
  return refused(name, status, upgradeRequest(init));
}

const SMUGGLED = "GET /admin HTTP/1.1\r\nHost: example.com\r\n\r\n";
const CHUNKED = `0\r\n\r\n${SMUGGLED}`;

/** The attacks. */
export const brokenRequests: readonly Attack[] = [
  refused(
    "a request smuggled as a body",
    400,
    upgradeRequest({ headers: { "Content-Length": String(SMUGGLED.length) } }) + SMUGGLED,
  ),
  refused(
    "a request smuggled behind chunks",
    400,
    upgradeRequest({ headers: { "Transfer-Encoding": "chunked" } }) + CHUNKED,
  ),
  refused(
    "Content-Length and Transfer-Encoding",
    400,
    upgradeRequest({ headers: { "Content-Length": "6", "Transfer-Encoding": "chunked" } }) +
      CHUNKED,
  ),
  upgrade("two lengths", 400, { headers: { "Content-Length": ["0", "44"] } }),
  upgrade("Transfer-Encoding with a space before the colon", 400, {
    headers: { "Transfer-Encoding ": "chunked" },
  }),
  upgrade("a folded Transfer-Encoding", 400, { headers: { "Transfer-Encoding": "\r\n chunked" } }),
  upgrade("a bare CR", 400, { headers: { "X-Bare": "a\rTransfer-Encoding: chunked" } }),
  upgrade("a bare LF", 400, { headers: { "X-Bare": "a\nTransfer-Encoding: chunked" } }),
  upgrade("a NUL", 400, { headers: { "X-Nul": "a\0b" } }),
  upgrade("two Hosts", 400, { headers: { Host: ["example.com", "example.org"] } }),
  upgrade("no key", 400, { headers: { "Sec-WebSocket-Key": undefined } }),
  upgrade("no Upgrade", 426, { headers: { Upgrade: undefined } }),
  upgrade("names of prototypes", 400, {
    headers: { "__proto__": "a", constructor: "b", hasOwnProperty: "c", Host: undefined },
  }),
  upgrade("another site's origin", 403, { headers: { Origin: "http://attacker.example" } }),
  upgrade("a target of 8 KiB", 414, { target: `/${"a".repeat(8_192)}` }),
  upgrade("a field of 8 KiB", 431, { headers: { "X-Long": "a".repeat(8_192) } }),
  upgrade("a head of 16 KiB and more", 431, {
    headers: { "X-Large": Array(4).fill("a".repeat(4_096)) },
  }),
  upgrade("more than 100 fields", 431, { headers: { "X-Many": Array(100).fill("a") } }),
  refused("plain HTTP", 426, httpRequest()),
  refused("HTTP/1.0", 505, upgradeRequest({ version: "HTTP/1.0" })),
  refused("the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
  refused("TLS", 400, `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${"\x5a".repeat(200)}`),
  refused("frames without a handshake", 400, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
  {
    name: "garbage",
    outcome: "400, and the end",
    async run(target) {
      // A byte that begins no method; then anything.
      const bytes = Uint8Array.from({ length: 300 }, () => target.pick(256));
      bytes[0] = 0x80 + target.pick(128);
      const attacker = await target.send(bytes);
      assertEquals((await attacker.readResponse()).status, 400);
      await attacker.finish();
    },
  },
];
