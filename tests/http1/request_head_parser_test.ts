// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type RequestHead, RequestHeadParser } from "../../src/handshake/mod.ts";
import { Random, singly } from "../codec/support.ts";
import { latin1 } from "../support/raw_client.ts";
import { type Outcome, parsePieces, SAMPLE_FIELDS } from "./support.ts";

const SAMPLE = "GET /chat HTTP/1.1\r\n" +
  SAMPLE_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n";

function parseWhole(text: string): Outcome {
  return parsePieces([latin1(text)]);
}

describe("RequestHeadParser", () => {
  const accepted: Array<
    [what: string, text: string, Pick<RequestHead, "method" | "target" | "fields">]
  > = [
    ["the handshake of RFC 6455, section 1.2", SAMPLE, {
      method: "GET",
      target: "/chat",
      fields: SAMPLE_FIELDS,
    }],
    ["no fields", "M-SEARCH * HTTP/1.1\r\n\r\n", {
      method: "M-SEARCH",
      target: "*",
      fields: [],
    }],
    ["one empty line before", "\r\nGET / HTTP/1.1\r\nA:1\r\n\r\n", {
      method: "GET",
      target: "/",
      fields: [["A", "1"]],
    }],
    [
      "whitespace around values",
      "GET / HTTP/1.1\r\na: \t x \t y\t \r\nb:\r\nc: \t \r\nd:z\r\n\r\n",
      {
        method: "GET",
        target: "/",
        fields: [["a", "x \t y"], ["b", ""], ["c", ""], ["d", "z"]],
      },
    ],
    [
      "every token character in names and methods",
      "!#$%&'*+-.^_`|~0aZ /!\\|{}\"<>~ HTTP/1.1\r\n!#$%&'*+-.^_`|~9Az:x\r\n\r\n",
      {
        method: "!#$%&'*+-.^_`|~0aZ",
        target: '/!\\|{}"<>~',
        fields: [["!#$%&'*+-.^_`|~9Az", "x"]],
      },
    ],
    [
      "obs-text as Latin-1, not as windows-1252",
      "GET / HTTP/1.1\r\na: \x80\x9f\xa0\xe9\xff\r\n\r\n",
      {
        method: "GET",
        target: "/",
        fields: [["a", "\x80\x9f\xa0\xe9\xff"]],
      },
    ],
    [
      "names of properties",
      "GET /__proto__ HTTP/1.1\r\n__proto__: a\r\nconstructor: b\r\ntoString: c\r\n__proto__: d\r\n\r\n",
      {
        method: "GET",
        target: "/__proto__",
        fields: [["__proto__", "a"], ["constructor", "b"], ["toString", "c"], ["__proto__", "d"]],
      },
    ],
    ["colons and separators in values", "GET / HTTP/1.1\r\nHost: [::1]:80\r\nx:::\r\n\r\n", {
      method: "GET",
      target: "/",
      fields: [["Host", "[::1]:80"], ["x", "::"]],
    }],
  ];

  for (const [what, text, parts] of accepted) {
    const expected = { ...parts, consumed: text.length };

    it(`accepts ${what}, however it is cut`, () => {
      const random = new Random(1);
      for (
        const rest of [
          "",
          "\x81\x85\x00\x00\x00\x00hello",
          "\r\n\r\nGET / HTTP/1.0\r\n",
          "\n",
          "\0",
        ]
      ) {
        const bytes = latin1(text + rest);
        assertEquals(parsePieces([bytes]), expected);
        assertEquals(parsePieces(singly(bytes)), expected);
        for (let i = 0; i < 20; i++) {
          assertEquals(parsePieces(random.cut(bytes)), expected);
        }
      }
    });

    it(`knows that ${what} is incomplete without the last byte`, () => {
      assertEquals(parsePieces(singly(latin1(text.slice(0, -1)))), "incomplete");
    });
  }

  // What comes before is taken, and the first byte of the second text is what offends.
  const refused: Array<
    [what: string, before: string, after: string, status: number, reason: string]
  > = [
    ["a second empty line before", "\r\n", "\r\nGET / HTTP/1.1\r\n", 400, "begins with a bare CR"],
    ["a bare CR before", "\r", "GET / HTTP/1.1\r\n", 400, "bare CR"],
    ["a bare LF before", "", "\nGET / HTTP/1.1\r\n", 400, "bare LF"],
    ["a space before the method", "", " GET / HTTP/1.1\r\n", 400, "a space"],
    ["a NUL first", "", "\0GET / HTTP/1.1\r\n", 400, "a NUL"],
    ["a TLS ClientHello", "", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "TLS"],
    ["an SSL 2 hello", "", "\x80\x2e\x01\x03\x01", 400, "0x80"],
    ["a WebSocket frame first", "", "\x81\x85\0\0\0\0hello", 400, "0x81"],
    ["a PROXY protocol 2 header", "\r", "\r\n\0\r\nQUIT\n", 400, "bare CR"],
    ["a separator in the method", "GE", "(T / HTTP/1.1\r\n", 400, "method"],
    ["a tab after the method", "GET", "\t/ HTTP/1.1\r\n", 400, "method"],
    ["a line that is the method only", "GET", "\r\n", 400, "method"],
    ["a non-ASCII method", "G", "\xc9T / HTTP/1.1\r\n", 400, "method"],
    ["an empty target", "GET ", " HTTP/1.1\r\n", 400, "empty request target"],
    ["a fragment", "GET /chat", "#x HTTP/1.1\r\n", 400, "fragment"],
    ["a tab in the target", "GET /", "\tHTTP/1.1\r\n", 400, "target"],
    ["a NUL in the target", "GET /a", "\0b HTTP/1.1\r\n", 400, "target"],
    ["a DEL in the target", "GET /a", "\x7f HTTP/1.1\r\n", 400, "target"],
    ["a non-ASCII target", "GET /", "\xc3\xa9 HTTP/1.1\r\n", 400, "target"],
    ["HTTP/0.9", "GET /", "\r\n", 400, "without an HTTP version"],
    ["HTTP/0.9 with a bare LF", "GET /", "\n", 400, "without an HTTP version"],
    ["a space in the target", "GET /a ", "b HTTP/1.1\r\n", 400, "version"],
    ["an empty version", "GET / ", "\r\n", 400, "version"],
    ["two spaces before the version", "GET / ", " HTTP/1.1\r\n", 400, "version"],
    ["a version in lower case", "GET / ", "http/1.1\r\n", 400, "version"],
    ["another protocol", "GET / ", "ICY/1.1\r\n", 400, "version"],
    ["a version without a number", "GET / HTTP/", "x.1\r\n", 400, "version"],
    ["a version without a point", "GET / HTTP/1", "1\r\n", 400, "version"],
    ["HTTP/1", "GET / HTTP/1", "\r\n", 400, "version"],
    ["HTTP/1.0", "GET / HTTP/1.", "0\r\n", 505, "HTTP/1.1"],
    ["HTTP/1.2", "GET / HTTP/1.", "2\r\n", 505, "HTTP/1.1"],
    ["HTTP/0.9 in writing", "GET / HTTP/", "0.9\r\n", 505, "HTTP/1.1"],
    ["HTTP/3.0", "GET / HTTP/", "3.0\r\n", 505, "HTTP/1.1"],
    ["HTTP/9.9", "GET / HTTP/", "9.9\r\n", 505, "HTTP/1.1"],
    ["a version that is a character past the digits", "GET / HTTP/", ":.1\r\n", 400, "version"],
    ["a version that is a character before the digits", "GET / HTTP/1.", "/\r\n", 400, "version"],
    ["the preface of HTTP/2", "PRI * HTTP/", "2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"],
    ["HTTP/1.10", "GET / HTTP/1.1", "0\r\n", 400, "after the HTTP version"],
    ["a space after the version", "GET / HTTP/1.1", " \r\n", 400, "after the HTTP version"],
    ["a bare LF after the request line", "GET / HTTP/1.1", "\nHost: a\r\n\r\n", 400, "bare LF"],
    ["a bare CR after the request line", "GET / HTTP/1.1\r", "Host: a\r\n\r\n", 400, "bare CR"],
    ["a CR CR LF", "GET / HTTP/1.1\r", "\r\n", 400, "bare CR"],
    [
      "whitespace before the first field",
      "GET / HTTP/1.1\r\n",
      " Host: a\r\n",
      400,
      "begins with whitespace",
    ],
    [
      "obs-fold with a space",
      "GET / HTTP/1.1\r\nHost: a\r\n",
      " b\r\n",
      400,
      "begins with whitespace",
    ],
    [
      "obs-fold with a tab",
      "GET / HTTP/1.1\r\nHost: a\r\n",
      "\tb\r\n",
      400,
      "begins with whitespace",
    ],
    [
      "a blank last line",
      "GET / HTTP/1.1\r\nHost: a\r\n",
      " \r\n\r\n",
      400,
      "begins with whitespace",
    ],
    ["an empty name", "GET / HTTP/1.1\r\n", ": a\r\n", 400, "without a name"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost", " : a\r\n", 400, "before the colon"],
    ["a tab before the colon", "GET / HTTP/1.1\r\nHost", "\t: a\r\n", 400, "before the colon"],
    ["a line without a colon", "GET / HTTP/1.1\r\nHost", "\r\n\r\n", 400, "name"],
    ["a bare LF in a name", "GET / HTTP/1.1\r\nHo", "\nst: a\r\n", 400, "name"],
    ["a NUL in a name", "GET / HTTP/1.1\r\nHo", "\0st: a\r\n", 400, "name"],
    ["a separator in a name", "GET / HTTP/1.1\r\nHo", "(st): a\r\n", 400, "name"],
    ["a separator before a name", "GET / HTTP/1.1\r\n", "@Host: a\r\n", 400, "name"],
    ["a non-ASCII name", "GET / HTTP/1.1\r\nH", "\xf6st: a\r\n", 400, "name"],
    ["a NUL in a value", "GET / HTTP/1.1\r\nHost: a", "\0b\r\n", 400, "value"],
    ["a bare LF after a value", "GET / HTTP/1.1\r\nHost: a", "\nB: c\r\n", 400, "value"],
    ["a bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r", "b\r\n", 400, "bare CR"],
    ["an escape in a value", "GET / HTTP/1.1\r\nHost: a", "\x1b[2J\r\n", 400, "value"],
    ["a DEL in a value", "GET / HTTP/1.1\r\nHost: a", "\x7f\r\n", 400, "value"],
    ["a bare LF as the last line", "GET / HTTP/1.1\r\nHost: a\r\n", "\n", 400, "bare LF"],
    ["a bare CR as the last line", "GET / HTTP/1.1\r\nHost: a\r\n\r", "x", 400, "bare CR"],
    ["two CR as the last line", "GET / HTTP/1.1\r\nHost: a\r\n\r", "\r\n", 400, "bare CR"],
  ];

  for (const [what, before, after, status, reason] of refused) {
    it(`refuses ${what} as soon as it is in, however it is cut`, () => {
      const bytes = latin1(before + after);
      const outcome = parsePieces(singly(bytes));
      assert(typeof outcome === "object" && "status" in outcome, `not refused`);
      assertEquals([outcome.status, outcome.offset], [status, before.length]);
      assert(outcome.message.includes(reason), outcome.message);
      const random = new Random(2);
      const cuts = [[bytes], ...Array.from({ length: 10 }, () => random.cut(bytes))];
      for (const pieces of cuts) {
        const other = parsePieces(pieces);
        assert(typeof other === "object" && "status" in other);
        assertEquals([other.status, other.message], [outcome.status, outcome.message]);
      }
    });
  }

  it("refuses how other protocols begin", () => {
    const BEGINNINGS = [
      ...["GET / HTTP/1.1\nHost: example.com\n\n", "get / http/1.1\r\nhost: example.com\r\n\r\n"],
      ...["\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", "SSH-2.0-OpenSSH_9.6\r\n"],
      ...["USER anonymous\r\n", "a001 LOGIN user password\r\n", "QUIT\r\n"],
      ...["*1\r\n$4\r\nPING\r\n", "stats\r\n"],
      ...["OPTIONS rtsp://example.com/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"],
      ...["REGISTER sip:example.com SIP/2.0\r\n\r\n", "SOURCE /live ICE/1.0\r\n\r\n"],
      ...["PROXY TCP4 192.0.2.1 192.0.2.2 50000 80\r\n", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"],
      ...["\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", "\0\0\0\x08\x04\xd2\x16\x2f"],
      ...["\x04\x01\0\x50\x5d\xb8\xd8\x22\0", "\x05\x01\x00", "\0\0\0\x85\xffSMB"],
      ...["\x03\0\0\x13\x0e\xe0", "\xff\xfb\x1f\xff\xfb\x20", "\x13BitTorrent protocol"],
      ...["JRMI\0\x02K", "\0\x1d\xab\xcd\x01\0\0\x01", "<?xml version='1.0'?><stream:stream>"],
      ...['{"jsonrpc": "2.0"}\n'],
    ];
    for (const bytes of BEGINNINGS) {
      const outcome = parsePieces(singly(latin1(bytes)));
      assert(typeof outcome === "object" && "status" in outcome, bytes);
      assertEquals(outcome.status, 400, bytes);
    }
  });

  it("refuses every control character in every part of the head", () => {
    const allowed = new Set([0x09, 0x0d]);
    for (let byte = 0; byte <= 0x7f; byte = byte === 0x1f ? 0x7f : byte + 1) {
      const character = String.fromCharCode(byte);
      for (
        const [before, after] of [
          ["G", "ET / HTTP/1.1\r\n\r\n"],
          ["GET /", "a HTTP/1.1\r\n\r\n"],
          ["GET / HT", "TP/1.1\r\n\r\n"],
          ["GET / HTTP/1.1\r\nA", ": b\r\n\r\n"],
          ["GET / HTTP/1.1\r\nA:", "b\r\n\r\n"],
        ]
      ) {
        const outcome = parseWhole(before + character + after);
        if (before.endsWith("A:") && allowed.has(byte) && byte !== 0x0d) {
          assert(typeof outcome === "object" && "fields" in outcome);
        } else {
          assert(typeof outcome === "object" && "status" in outcome, `${before} ${byte}`);
          assertEquals(outcome.status, 400);
        }
      }
    }
  });

  it("tells whether a byte has been seen", () => {
    const parser = new RequestHeadParser();
    assertEquals(parser.started, false);
    assertEquals(parser.push(new Uint8Array(0)), 0);
    assertEquals(parser.started, false);
    assertEquals(parser.push(latin1("\r")), 1);
    assertEquals(parser.started, true);
    const refusing = new RequestHeadParser();
    assertThrows(() => refusing.push(latin1("\0")));
    assertEquals(refusing.started, true);
  });

  it("takes nothing after the head", () => {
    const parser = new RequestHeadParser();
    assertEquals(parser.push(latin1("GET / HTTP/1.1\r\n\r\n\0")), 18);
    const head = parser.head;
    assertEquals(parser.push(latin1("GET / HTTP/1.1\r\n\r\n")), 0);
    assert(head !== undefined && parser.head === head);
  });

  it("takes views that begin and end within a buffer", () => {
    const bytes = latin1(`\0\0\0${SAMPLE}\0\0`);
    const parser = new RequestHeadParser();
    assertEquals(parser.push(bytes.subarray(3, 60)), 57);
    assertEquals(parser.push(bytes.subarray(60, bytes.length - 1)), SAMPLE.length - 57);
    assertEquals(parser.head?.fields, SAMPLE_FIELDS);
  });

  it("parses 16 KiB in pieces of one byte", () => {
    const line = (size: number) => `a:${"x".repeat(size - 4)}\r\n`;
    const text = `GET / HTTP/1.1\r\n${line(8194)}${line(8000)}${line(172)}\r\n`;
    assertEquals(text.length, 16384);
    const outcome = parsePieces(singly(latin1(text)));
    assert(typeof outcome === "object" && "fields" in outcome);
    assertEquals(outcome.fields.map(([, value]) => value.length), [8190, 7996, 168]);
  });
});

describe("RequestHead", () => {
  const parser = new RequestHeadParser();
  parser.push(
    latin1("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nX-B:\r\n__PROTO__: p\r\n\r\n"),
  );
  const head = parser.head!;

  it("gets a field in any case", () => {
    assertEquals(head.get("host"), "a");
    assertEquals(head.get("HOST"), "a");
    assertEquals(head.get("x-b"), "");
    assertEquals(head.get("X-C"), undefined);
  });

  it("gets all fields of a name in order", () => {
    assertEquals(head.getAll("X-a"), ["1", "2"]);
    assertEquals(head.getAll("x-c"), []);
  });

  it("refuses to choose between two fields", () => {
    const error = assertThrows(() => head.get("X-A")) as { status?: number };
    assertEquals(error.status, 400);
  });

  it("takes the names of properties for names", () => {
    assertEquals(head.get("__proto__"), "p");
    for (const name of ["constructor", "toString", "hasOwnProperty", "0", "length", ""]) {
      assertEquals(head.get(name), undefined);
      assertEquals(head.getAll(name), []);
    }
  });
});
