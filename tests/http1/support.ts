import { assert, assertThrows } from "@std/assert";
import {
  HandshakeError,
  RequestHead,
  type RequestHeadLimits,
  RequestHeadParser,
} from "../../src/handshake/mod.ts";
import { sameBytes } from "../codec/support.ts";
import { latin1 } from "../support/raw_client.ts";

/** The head of RFC 6455, section 1.2, as [name, value] pairs. */
export const SAMPLE_FIELDS: ReadonlyArray<readonly [string, string]> = [
  ["Host", "server.example.com"],
  ["Upgrade", "websocket"],
  ["Connection", "Upgrade"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["Origin", "http://server.example.com"],
  ["Sec-WebSocket-Protocol", "chat, superchat"],
  ["Sec-WebSocket-Version", "13"],
];

/** The sample head with fields replaced, removed (`undefined`) or repeated (a list), others added. */
export function sampleHead(
  changes: Record<string, string | string[] | undefined> = {},
  { method = "GET", target = "/chat" }: { method?: string; target?: string } = {},
): RequestHead {
  const fields = SAMPLE_FIELDS.filter(([name]) => !(name in changes)).map((field) => [...field]);
  for (const [name, value] of Object.entries(changes)) {
    for (const each of value === undefined ? [] : [value].flat()) fields.push([name, each]);
  }
  return new RequestHead(method, target, fields as unknown as RequestHead["fields"]);
}

/** What a parser made of its input. */
export type Outcome =
  | { consumed: number; method: string; target: string; fields: RequestHead["fields"] }
  | { status: number; message: string; offset: number }
  | "incomplete";

/**
 * Feeds pieces to a parser. The pieces are overwritten afterwards, as a socket's buffer would be. Any
 * error but a `HandshakeError` escapes.
 */
export function parsePieces(
  pieces: Iterable<Uint8Array>,
  limits?: Partial<RequestHeadLimits>,
): Outcome {
  const parser = new RequestHeadParser(limits);
  let consumed = 0;
  for (const piece of pieces) {
    const copy = piece.slice();
    try {
      const count = parser.push(copy);
      assert(sameBytes(copy, piece), "push must not change its input");
      copy.fill(0x3f);
      if (count < piece.length) assert(parser.head !== undefined);
      consumed += count;
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error;
      // What follows a refused request is never parsed.
      const again = assertThrows(() => parser.push(latin1("GET / HTTP/1.1\r\n\r\n")));
      assert(again === error);
      assert(parser.head === undefined);
      return { status: error.status, message: error.message, offset: consumed };
    }
  }
  if (parser.head === undefined) return "incomplete";
  const { method, target, fields } = parser.head;
  return { consumed, method, target, fields };
}

/** Asserts that `fn` throws a `HandshakeError` with the status, and returns it. */
export function assertRefused(fn: () => unknown, status: number, reason?: string): HandshakeError {
  const error = assertThrows(fn, HandshakeError, reason);
  assert(error.status === status, `status ${error.status}, not ${status}: ${error.message}`);
  assert(!/[\r\n]/.test(error.message), "the reason must be one line");
  return error;
}
