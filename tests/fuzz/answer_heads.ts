/** Heads of responses, as a client parses them: valid ones, changed piece by piece. */

import { UnexpectedResponseError } from "../../src/errors.ts";
import { ResponseHeadParser } from "../../src/handshake/mod.ts";
import { Random, singly } from "../codec/support.ts";
import { readAnswer } from "./reference_answer.ts";
import { type HeadInput, mutateHead } from "./request_heads.ts";
import { check, type Target } from "./target.ts";
import { latin1 } from "../support/raw_client.ts";

const LIMITS = { maxHeadSize: 400, maxLineSize: 120, maxFields: 9 };

/** Answers to begin with. */
const SEEDS = [
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02Hi",
  "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 404\r\na:\r\nb: \xe9 \t\r\n\r\nbody",
  "HTTP/1.1 503 \r\n\r\n",
  "HTTP/1.1 599 \t\x80\xff~\r\n!#$%&'*+-.^_`|~09AZaz: x\r\n\r\n",
  `HTTP/1.1 302 Found\r\n${"a:b\r\n".repeat(8)}\r\n`,
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
];
const STATUSES = ["099", "1000", "600", "20", "0", "+10", " 200", "2 0", "2\x00", "20a"];

export const ANSWER_HEADS: Target<HeadInput> = {
  make(random) {
    const cut = random.below(2 ** 31);
    let text = random.pick(SEEDS);
    if (random.below(12) === 0) text = text.replace(/(?<= )\d+/, random.pick(STATUSES));
    for (let count = random.below(4); count > 0; count--) text = mutateHead(text, random);
    return { text, cut };
  },

  check({ text, cut }) {
    const random = new Random(cut);
    const bytes = latin1(text);
    const expected = readAnswer(text, LIMITS);
    let reason: string | undefined;
    for (const pieces of [[bytes], random.cut(bytes), singly(bytes)]) {
      const outcome = parse(pieces);
      check(
        JSON.stringify(outcome.head) === JSON.stringify(expected),
        () => `${JSON.stringify(outcome)} instead of ${JSON.stringify(expected)}: ${show(text)}`,
      );
      reason ??= outcome.reason;
      check(outcome.reason === reason, () => `another reason where it is cut: ${show(text)}`);
    }
    return typeof expected === "string" ? expected : "accepted";
  },
};

const show = (text: string) => JSON.stringify(text);

/** Parses pieces as a client does that stops at the end of the head. */
function parse(pieces: Iterable<Uint8Array>): { head: unknown; reason?: string } {
  const parser = new ResponseHeadParser(LIMITS);
  let consumed = 0;
  try {
    for (const piece of pieces) {
      const before = piece.slice();
      const count = parser.push(piece);
      check(before.every((byte, i) => byte === piece[i]), () => "the bytes were changed");
      check(parser.head !== undefined || count === piece.length, () => "bytes were left");
      consumed += count;
    }
  } catch (error) {
    if (!(error instanceof UnexpectedResponseError)) throw error;
    const { status, message, body } = error;
    check(status === 0 && body === "" && /^[^\r\n]+$/.test(message), () => message);
    return { head: "refused", reason: message };
  }
  if (parser.head === undefined) return { head: "incomplete" };
  const { minorVersion, status, reason, fields } = parser.head;
  // What a program gets of it holds them all.
  const headers = parser.head.toHeaders();
  check(fields.every(([name]) => headers.has(name)), () => "a field is missing");
  return { head: { consumed, minorVersion, status, reason, fields } };
}
