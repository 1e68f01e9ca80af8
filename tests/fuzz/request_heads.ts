/** Request heads: valid ones, changed piece by piece. */

import { assertEquals } from "@std/assert";
import type { RequestHeadLimits } from "../../src/handshake/mod.ts";
import { Random, singly } from "../codec/support.ts";
import { type Outcome, parsePieces, SAMPLE_FIELDS } from "../http1/support.ts";
import { latin1 } from "../support/raw_client.ts";
import { readHead } from "./reference_head.ts";
import { check, type Target } from "./target.ts";

const LIMITS: RequestHeadLimits = { maxHeadSize: 400, maxLineSize: 120, maxFields: 9 };

/** What is put into heads. */
const PIECES = [
  "\r\n",
  "\r\n\r\n",
  "\r",
  "\n",
  "\0",
  " ",
  "\t",
  ":",
  "#",
  '"',
  "(",
  "\x16\x03\x01",
  "\x7f",
  "\x80",
  "\xff",
  "\r\n ",
  "\r\n\t",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/2.0",
  " HTTP/1.12",
  "__proto__: x\r\n",
  "Host: b\r\n",
  "a:\r\n",
  "a : b\r\n",
  " b: c\r\n",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

const SEEDS = [
  "GET /chat HTTP/1.1\r\n" +
  SAMPLE_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n\x81\x80abcd",
  "\r\nOPTIONS * HTTP/1.1\r\na:\r\nb: \xe9 \t\r\n\r\n",
  "POST http://a:80/?q={} HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc",
  `GET / HTTP/1.1\r\n${"a:b\r\n".repeat(8)}\r\n`,
  "!#$%&'*+-.^_`|~09AZaz !\"$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ HTTP/1.1\r\n\r\n",
  "M * HTTP/1.1\r\nname:\t \tvalue of \x80\xff and \t \t \r\nx:   \r\n\r\n\r\n",
];

/** Changes a text in one place. */
export function mutateHead(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(4) ** 2);
  switch (random.below(9)) {
    case 0: // insert
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
    case 1: // replace
      return text.slice(0, at) + random.pick(PIECES) + text.slice(to);
    case 2: // delete
      return text.slice(0, at) + text.slice(to);
    case 3: // one byte
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
    case 4: // repeat
      return text.slice(0, to) + text.slice(at);
    case 5: // cut off
      return text.slice(0, Math.max(at, text.length - 60));
    case 6: // repeat a line, as often as the limit or once more or less
      return mutateLines(text, random);
    case 7: // one bit
      return text.slice(0, at) +
        String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << random.below(8))) +
        text.slice(at + 1);
    default: // to a length about a limit
      return stretch(text, at, random);
  }
}

function mutateLines(text: string, random: Random): string {
  const lines = text.split("\r\n");
  const at = random.below(lines.length);
  const count = random.below(3) === 0 ? LIMITS.maxFields - lines.length + random.below(6) : 1;
  const copies = new Array<string>(Math.max(0, count)).fill(lines[at]);
  lines.splice(random.below(lines.length), random.below(2), ...copies);
  return lines.join("\r\n");
}

/** Makes the line, or the head, that `at` is in about as long as it may be. */
function stretch(text: string, at: number, random: Random): string {
  let missing;
  if (random.below(3) === 0) {
    missing = LIMITS.maxHeadSize - text.indexOf("\r\n\r\n") - 4;
  } else {
    const start = text.lastIndexOf("\r\n", at - 1) + 2;
    const end = text.indexOf("\r\n", at);
    missing = LIMITS.maxLineSize - (end === -1 ? text.length : end) + (start === 1 ? 0 : start);
  }
  const filler = random.pick(["x", "x", " ", "\xe9", ":"]);
  return text.slice(0, at) + filler.repeat(Math.max(0, missing - 1 + random.below(3))) +
    text.slice(at);
}

/** A head, and what decides how it is cut. */
export interface HeadInput {
  text: string;
  cut: number;
}

export const REQUEST_HEADS: Target<HeadInput> = {
  make(random) {
    const cut = random.below(2 ** 31);
    if (random.below(16) === 0) {
      return { text: String.fromCharCode(...random.bytes(50)), cut };
    }
    let text = random.pick(SEEDS);
    for (let count = random.below(4); count > 0; count--) text = mutateHead(text, random);
    return { text, cut };
  },

  check({ text, cut }) {
    const random = new Random(cut);
    const bytes = latin1(text);
    const expected = readHead(text, LIMITS);
    const cuts: Iterable<Uint8Array>[] = [[bytes], random.cut(bytes), singly(bytes)];
    let first: Outcome | undefined;
    for (const pieces of cuts) {
      const outcome = parsePieces(pieces, LIMITS);
      compare(outcome, expected, text);
      first ??= outcome;
      // The reason must not depend on the cuts either.
      if (typeof first === "object" && "status" in first) {
        check(
          typeof outcome === "object" && "status" in outcome && outcome.status === first.status &&
            outcome.message === first.message && outcome.message !== "",
          () => `another refusal where it is cut: ${JSON.stringify(text)}`,
        );
        // The last pieces are single bytes.
        if (pieces === cuts[2] && typeof expected === "object" && "failedAt" in expected) {
          assertEquals(outcome.offset + 1, expected.failedAt, JSON.stringify(text));
        }
      }
    }
    if (expected === "incomplete") return expected;
    return "statuses" in expected ? `refused ${expected.statuses[0]}` : "accepted";
  },
};

function compare(outcome: Outcome, expected: ReturnType<typeof readHead>, text: string): void {
  const message = () =>
    `${JSON.stringify(outcome)} instead of ${JSON.stringify(expected)}: ${JSON.stringify(text)}`;
  if (expected === "incomplete" || outcome === "incomplete") {
    check(outcome === expected, message);
  } else if ("statuses" in expected) {
    check("status" in outcome && expected.statuses.includes(outcome.status), message);
  } else {
    check(
      "consumed" in outcome && outcome.consumed === expected.consumed &&
        outcome.method === expected.method && outcome.target === expected.target &&
        JSON.stringify(outcome.fields) === JSON.stringify(expected.fields),
      message,
    );
  }
}
