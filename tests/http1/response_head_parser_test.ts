import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { UnexpectedResponseError } from "../../src/errors.ts";
import { type RequestHeadLimits, ResponseHeadParser } from "../../src/handshake/mod.ts";
import { Random, singly } from "../codec/support.ts";
import { latin1 } from "../support/raw_client.ts";

/** What a parser made of its input. */
type Outcome =
  | { consumed: number; minorVersion: number; status: number; reason: string; fields: unknown }
  | { message: string }
  | "incomplete";

/** Feeds pieces to a parser, and overwrites them afterwards, as a socket's buffer would be. */
function parse(pieces: Iterable<Uint8Array>, limits?: Partial<RequestHeadLimits>): Outcome {
  const parser = new ResponseHeadParser(limits);
  let consumed = 0;
  for (const piece of pieces) {
    const copy = piece.slice();
    try {
      consumed += parser.push(copy);
    } catch (error) {
      if (!(error instanceof UnexpectedResponseError)) throw error;
      assertEquals(error.status, 0);
      return { message: error.message };
    }
    assertEquals(copy, piece);
    copy.fill(0x3f);
  }
  if (parser.head === undefined) return "incomplete";
  const { minorVersion, status, reason, fields } = parser.head;
  return { consumed, minorVersion, status, reason, fields };
}

const SAMPLE =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nA: \t b\xe9 \r\na:\r\n\r\n";

const INPUTS: [what: string, text: string, outcome: Partial<Exclude<Outcome, string>> | string][] =
  [
    ["a response", `${SAMPLE}rest`, {
      consumed: SAMPLE.length,
      minorVersion: 1,
      status: 101,
      reason: "Switching Protocols",
      fields: [["Upgrade", "websocket"], ["A", "b\xe9"], ["a", ""]],
    }],
    ["a response of HTTP/1.0, without fields", "HTTP/1.0 404 \r\n\r\n", {
      minorVersion: 0,
      status: 404,
      reason: "",
      fields: [],
    }],
    ["no reason phrase", "HTTP/1.1 200\r\n\r\n", { status: 200, reason: "" }],
    ["a reason phrase beyond ASCII", "HTTP/1.1 200 \xc4h\t!\r\n\r\n", { reason: "\xc4h\t!" }],
    ["a name of a prototype", "HTTP/1.1 200 x\r\n__proto__: a\r\n\r\n", {
      fields: [["__proto__", "a"]],
    }],
    ["nothing", "", "incomplete"],
    ["the beginning of a response", SAMPLE.slice(0, -1), "incomplete"],
    ["the beginning of a version", "HTTP/1.", "incomplete"],
    ["another protocol", "SSH-2.0", "begins with the byte 0x53"],
    ["another version", "HTTP/2.0 200 x\r\n\r\n", "it is not HTTP/1"],
    ["a version in lower case", "http/1.1 200 x\r\n\r\n", "begins with the byte 0x68"],
    ["HTTP/1.2", "HTTP/1.2 200 x\r\n\r\n", "malformed status line"],
    ["two spaces", "HTTP/1.1  200 x\r\n\r\n", "malformed status line"],
    ["a status of two digits", "HTTP/1.1 99 x\r\n\r\n", "malformed status line"],
    ["a status of four digits", "HTTP/1.1 1010 x\r\n\r\n", "malformed status line"],
    ["a status of 600", "HTTP/1.1 600 x\r\n\r\n", "malformed status line"],
    ["TLS", "\x15\x03\x03\x00\x02\x02\x28", "begins with the byte 0x15"],
    ["a NUL in a field", "HTTP/1.1 101 x\r\nA: b\0c\r\n\r\n", "a NUL in a header value"],
    ["a space before a colon", "HTTP/1.1 101 x\r\nA : b\r\n\r\n", "before the colon"],
    ["a control character", "HTTP/1.1 200 x\x01\r\n\r\n", "malformed status line"],
    ["a CR within the status line", "HTTP/1.1 200 x\ry\r\n\r\n", "malformed status line"],
    ["a status line that ends in LF", "HTTP/1.1 200 x\n\r\n", "malformed status line"],
    ["a field line that ends in LF", "HTTP/1.1 200 x\r\nA: b\n\r\n", "a bare LF in a header value"],
  ];

describe("ResponseHeadParser", () => {
  for (const [what, text, expected] of INPUTS) {
    it(`parses ${what}, however it is cut`, () => {
      const bytes = latin1(text);
      const whole = parse([bytes]);
      if (typeof expected === "string" && expected !== "incomplete") {
        assert(typeof whole === "object" && "message" in whole, JSON.stringify(whole));
        assert(whole.message.includes(expected), whole.message);
      } else if (typeof whole === "object" && typeof expected === "object") {
        assertEquals({ ...whole, ...expected }, whole);
      } else assertEquals(whole, expected);
      assertEquals(parse(singly(bytes)), whole);
      for (let seed = 1; seed <= 50; seed++) {
        assertEquals(parse(new Random(seed).cut(bytes)), whole, `seed ${seed}`);
      }
    });
  }

  const LIMITS: [limits: Partial<RequestHeadLimits>, text: (size: number) => string, at: number][] =
    [
      [
        { maxHeadSize: 100 },
        (size) => `HTTP/1.1 200 x\r\nA: ${"b".repeat(size - 23)}\r\n\r\n`,
        100,
      ],
      [{ maxLineSize: 50 }, (size) => `HTTP/1.1 200 ${"x".repeat(size - 13)}\r\n\r\n`, 50],
      [{ maxLineSize: 50 }, (size) => `HTTP/1.1 200 x\r\nA: ${"b".repeat(size - 3)}\r\n\r\n`, 50],
      [{ maxFields: 5 }, (size) => `HTTP/1.1 200 x\r\n${"A: b\r\n".repeat(size)}\r\n`, 5],
    ];
  for (const [limits, text, at] of LIMITS) {
    it(`holds to ${JSON.stringify(limits)}`, () => {
      for (const size of [at - 1, at, at + 1]) {
        for (const pieces of [[latin1(text(size))], singly(latin1(text(size)))]) {
          const outcome = parse(pieces, limits);
          assertEquals(typeof outcome === "object" && "status" in outcome, size <= at, `${size}`);
        }
      }
    });
  }

  it("checks its limits", () => {
    assertThrows(() => new ResponseHeadParser({ maxHeadSize: -1 }), RangeError);
    assertThrows(() => new ResponseHeadParser({ maxFields: NaN }), RangeError);
  });
});
