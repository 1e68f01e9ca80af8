/** Request heads: valid ones, changed piece by piece. */

import { assert, assertEquals } from "@std/assert";
import {
  cutRandomly,
  latin1,
  type Outcome,
  parsePieces,
  SAMPLE_FIELDS,
  singly,
} from "../handshake/support.ts";

const LIMITS = { maxHeadSize: 400, maxLineSize: 120, maxFields: 9 };

/** The grammar of RFC 9112 at its simplest: slow, whole heads only, and without the parser's code. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const FIELD_LINE = `(${TOKEN}):([\\t\\x20-\\x7e\\x80-\\xff]*)\\r\\n`;
const HEAD = new RegExp(
  `^(?:\\r\\n)?((${TOKEN}) ([!-"$-~]+) HTTP/1\\.1)\\r\\n((?:${FIELD_LINE})*)\\r\\n`,
);

function parseSimply(text: string): Outcome | undefined {
  const match = HEAD.exec(text);
  if (match === null) return undefined;
  const [whole, line, method, target, lines] = match;
  const matches = [...lines.matchAll(new RegExp(FIELD_LINE, "g"))];
  if (
    whole.length > LIMITS.maxHeadSize || line.length > LIMITS.maxLineSize ||
    matches.length > LIMITS.maxFields ||
    matches.some(([line]) => line.length - 2 > LIMITS.maxLineSize)
  ) return undefined;
  const fields = matches.map(([, name, value]): [string, string] => [
    name,
    value.replace(/^[ \t]+/, "").replace(/[ \t]+$/, ""),
  ]);
  return { consumed: whole.length, method, target, fields };
}

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
  "\x7f",
  "\x80",
  "\xff",
  "\r\n ",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/2.0",
  "__proto__: x\r\n",
  "Host: b\r\n",
  "x".repeat(119),
];

function mutate(text: string, random: () => number): string {
  const pick = (size: number) => Math.floor(random() * size);
  const at = pick(text.length + 1);
  const to = Math.min(text.length, at + pick(4) ** 2);
  switch (pick(6)) {
    case 0: // insert
      return text.slice(0, at) + PIECES[pick(PIECES.length)] + text.slice(at);
    case 1: // replace
      return text.slice(0, at) + PIECES[pick(PIECES.length)] + text.slice(to);
    case 2: // delete
      return text.slice(0, at) + text.slice(to);
    case 3: // one byte
      return text.slice(0, at) + String.fromCharCode(pick(256)) + text.slice(at + 1);
    case 4: // repeat
      return text.slice(0, to) + text.slice(at);
    default: // cut off
      return text.slice(0, Math.max(at, text.length - 60));
  }
}

const SEEDS = [
  "GET /chat HTTP/1.1\r\n" +
  SAMPLE_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n\x81\x80abcd",
  "\r\nOPTIONS * HTTP/1.1\r\na:\r\n b\r\nb: \xe9 \t\r\n\r\n",
  "POST http://a:80/?q={} HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc",
  `GET / HTTP/1.1\r\n${"a:b\r\n".repeat(9)}\r\n`,
];

/** Has a head parsed, cut in several ways, and by the simple grammar. */
export function fuzzRequestHead(random: () => number): "accepted" | "incomplete" | "refused" {
  let text = SEEDS[Math.floor(random() * SEEDS.length)];
  for (let count = Math.floor(random() * 4); count >= 0; count--) text = mutate(text, random);
  const bytes = latin1(text);
  const outcome = parsePieces([bytes], LIMITS);
  for (const pieces of [singly(bytes), cutRandomly(bytes, random)]) {
    assertSame(parsePieces(pieces, LIMITS), outcome);
  }
  const expected = parseSimply(text);
  if (expected !== undefined) {
    assertEquals(outcome, expected, JSON.stringify(text));
    return "accepted";
  }
  if (outcome === "incomplete") return "incomplete";
  assert("status" in outcome, `accepted against the grammar: ${JSON.stringify(text)}`);
  assert([400, 414, 431, 505].includes(outcome.status));
  return "refused";
}

/** The same with octets in no order. */
export function fuzzHeadNoise(random: () => number): void {
  const bytes = Uint8Array.from({ length: 50 }, () => Math.floor(random() * 256));
  assertSame(parsePieces(singly(bytes)), parsePieces([bytes]));
}

/** Asserts that two outcomes are the same, apart from the piece that was refused. */
function assertSame(actual: Outcome, expected: Outcome): void {
  const withoutOffset = (outcome: Outcome) =>
    typeof outcome === "object" && "status" in outcome ? { ...outcome, offset: 0 } : outcome;
  assertEquals(withoutOffset(actual), withoutOffset(expected));
}
