/**
 * Plays cases as a client.
 *
 * @module
 */

import { connect } from "node:net";
import { concatBytes } from "../support/reference_frames.ts";
import { AnswerFault, type Negotiation, readAgreement } from "./agreement.ts";
import { Compression } from "./compression.ts";
import { acceptOf, readFields } from "./handshake.ts";
import { ConformanceFailure, Peer } from "./peer.ts";
import type { Side } from "./run_case.ts";

const KEY = "c2x1aWNlLXRlc3Qta2V5IQ=="; // 16 bytes: "sluice-test-key!"

/** Plays as clients of a server. */
export function clientOf(url: URL): Side {
  return {
    async open(negotiation, early, deadlineMs) {
      const socket = connect({
        host: url.hostname.replace(/^\[|\]$/g, ""),
        port: Number(url.port || 80),
        allowHalfOpen: true,
        noDelay: true,
      });
      const takeHead = (head: string) => checkHead(head, negotiation);
      const client = new Peer(socket, { role: "server", takeHead }, deadlineMs);
      const request = `GET ${url.pathname}${url.search} HTTP/1.1\r\n` +
        `Host: ${url.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n` +
        negotiation.fields.map((value) => `Sec-WebSocket-Extensions: ${value}\r\n`).join("") +
        "\r\n";
      socket.write(concatBytes([new TextEncoder().encode(request), early]));
      await client.open();
      return client;
    },
    translate: (steps) => steps,
    async finish(client) {
      const end = await client.receive("the server's end of the connection, after its Close frame");
      if (end.type !== "end") {
        throw new ConformanceFailure(`expected the end of the connection, got a ${end.type}`);
      }
      await client.finish();
    },
  };
}

/** Checks the response, and gives what is agreed upon. */
function checkHead(head: string, negotiation: Negotiation): Compression {
  const [statusLine, ...lines] = head.split("\r\n");
  if (!statusLine.startsWith("HTTP/1.1 101 ")) {
    throw new ConformanceFailure(`the server refused the opening handshake: ${statusLine}`);
  }
  const fields = readFields(lines);
  const expected: [string, string | undefined][] = [
    ["upgrade", "websocket"],
    ["connection", "upgrade"],
    ["sec-websocket-accept", acceptOf(KEY)],
    // None was offered, so none may be selected (RFC 6455, section 4.1).
    ["sec-websocket-protocol", undefined],
    ...negotiation.fields.length === 0
      ? [["sec-websocket-extensions", undefined] as [string, undefined]]
      : [],
  ];
  for (const [name, value] of expected) {
    const actual = fields.get(name);
    const same = name === "sec-websocket-accept"
      ? actual === value
      : actual?.toLowerCase() === value;
    if (!same) {
      throw new ConformanceFailure(`the server answered the handshake with ${name}: ${actual}`);
    }
  }
  const answer = fields.get("sec-websocket-extensions");
  try {
    return new Compression(readAgreement(negotiation.offers, answer));
  } catch (error) {
    if (!(error instanceof AnswerFault)) throw error;
    const offered = negotiation.fields.join(", ");
    throw new ConformanceFailure(
      `the server answered ${JSON.stringify(offered)} with ${JSON.stringify(answer)}: ` +
        error.message,
    );
  }
}
