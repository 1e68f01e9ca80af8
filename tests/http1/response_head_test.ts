import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  encodeRefusal,
  encodeResponseHead,
  encodeSwitchingProtocols,
  HandshakeError,
  type HeaderFields,
  type RequestHeadLimits,
  ResponseHeadParser,
} from "../../src/handshake/mod.ts";
import { ACCEPT } from "../support/requests.ts";
import { words } from "../support/words.ts";
import { UnexpectedResponseError } from "../../src/errors.ts";
import { Random, singly } from "../codec/support.ts";
import { latin1 } from "../support/raw_client.ts";

const date = new Date(Date.UTC(1994, 10, 6, 8, 49, 37));
const DATE_LINE = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/** The text of bytes that stand for characters up to U+00FF. */
function text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** What no header value may contain, and what no name may be. */
const BAD_VALUES = "a\r\nX: y|a\r|a\n|\n|a\0b|\x01|\x1b|\x7f|\u0100|\u{1f600}|\u010a".split("|");
const BAD_NAMES = ["", " ", "a b", "a:", "a\r\nb", "a\0", "caf\xe9", "(a)", "\u0161"];

describe("encodeSwitchingProtocols", () => {
  it("encodes the response of RFC 6455, section 1.2", () => {
    assertEquals(
      text(encodeSwitchingProtocols({ accept: ACCEPT, protocol: "chat" })),
      "HTTP/1.1 101 Switching Protocols\r\n" +
        "Upgrade: websocket\r\n" +
        "Connection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${ACCEPT}\r\n` +
        "Sec-WebSocket-Protocol: chat\r\n\r\n",
    );
  });

  it("encodes extensions and the application's headers", () => {
    const start =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${ACCEPT}\r\n`;
    assertEquals(text(encodeSwitchingProtocols({ accept: ACCEPT })), `${start}\r\n`);
    assertEquals(
      text(
        encodeSwitchingProtocols({
          accept: ACCEPT,
          extensions: "permessage-deflate; client_max_window_bits=10",
          headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-Caf", "\t\xe9 \xff~"], [
            "X-Empty",
            "",
          ]],
        }),
      ),
      `${start}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10\r\n` +
        "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Caf: \t\xe9 \xff~\r\nX-Empty: \r\n\r\n",
    );
  });

  it("takes headers of every form", () => {
    const headers = new Headers([["x-a", "1"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
    const lines = (fields: HeaderFields) =>
      text(encodeSwitchingProtocols({ accept: ACCEPT, headers: fields }))
        .split("\r\n").slice(4, -2).toSorted();
    assertEquals(lines(headers), ["set-cookie: a=1", "set-cookie: b=2", "x-a: 1"]);
    assertEquals(lines({ "X-A": "1", "X-B": "2" }), ["X-A: 1", "X-B: 2"]);
    assertEquals(lines(new Map([["X-A", "1"]])), ["X-A: 1"]);
    assertEquals(lines([["X-A", "1"], ["__proto__", "2"]]), ["X-A: 1", "__proto__: 2"]);
    assertEquals(lines({}), []);
  });

  for (
    const name of words`Connection Upgrade Sec-WebSocket-Accept Sec-WebSocket-Key
      Sec-WebSocket-Extensions Sec-WebSocket-Protocol Sec-WebSocket-Version Content-Length
      Transfer-Encoding`
  ) {
    it(`refuses the application's ${name}`, () => {
      for (const each of [name, name.toLowerCase(), name.toUpperCase()]) {
        assertThrows(
          () => encodeSwitchingProtocols({ accept: ACCEPT, headers: [[each, "0"]] }),
          TypeError,
          `"${each}": it belongs to the handshake`,
        );
      }
    });
  }

  it("refuses values that would split the response", () => {
    for (const value of BAD_VALUES) {
      for (const headers of [{ "X-Name": value }, [["X-Name", value]]] as HeaderFields[]) {
        const encode = () => encodeSwitchingProtocols({ accept: ACCEPT, headers });
        assertThrows(encode, TypeError, '"X-Name"');
      }
      const extensions = () => encodeSwitchingProtocols({ accept: ACCEPT, extensions: value });
      assertThrows(extensions, TypeError, '"Sec-WebSocket-Extensions"');
      const accept = () => encodeSwitchingProtocols({ accept: value });
      assertThrows(accept, TypeError, '"Sec-WebSocket-Accept"');
    }
  });

  it("refuses values that are no strings", () => {
    for (const value of [undefined, null, 1, ["a\r\nb"], { toString: () => "a" }]) {
      const headers = { "X-Name": value } as unknown as HeaderFields;
      const encode = () => encodeSwitchingProtocols({ accept: ACCEPT, headers });
      assertThrows(encode, TypeError, '"X-Name"');
    }
  });

  it("refuses names that are no tokens", () => {
    for (const name of BAD_NAMES) {
      const encode = () => encodeSwitchingProtocols({ accept: ACCEPT, headers: { [name]: "x" } });
      assertThrows(encode, TypeError, JSON.stringify(name));
    }
  });

  it("refuses a subprotocol that is no token", () => {
    for (const protocol of ["", "a b", "a,b", "a\r\nX: y", "\xe9"]) {
      assertThrows(
        () => encodeSwitchingProtocols({ accept: ACCEPT, protocol }),
        TypeError,
        "token",
      );
    }
  });
});

describe("encodeRefusal", () => {
  it("encodes a whole response", () => {
    assertEquals(
      text(
        encodeRefusal(new HandshakeError(400, "Cannot accept the request: no Host header"), {
          date,
        }),
      ),
      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 42\r\n" + DATE_LINE +
        "Content-Type: text/plain; charset=utf-8\r\n\r\nCannot accept the request: no Host header\n",
    );
  });

  it("carries the headers of the error, and Upgrade as a connection option", () => {
    const error = new HandshakeError(426, "No", [
      ["Upgrade", "websocket"],
      ["Sec-WebSocket-Version", "13"],
    ]);
    assertEquals(
      text(encodeRefusal(error, { date })),
      "HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nContent-Length: 3\r\n" +
        DATE_LINE + "Content-Type: text/plain; charset=utf-8\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\n\r\nNo\n",
    );
    const notAllowed = text(encodeRefusal(new HandshakeError(405, "No", [["Allow", "GET"]])));
    assert(notAllowed.startsWith("HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n"));
    assert(notAllowed.includes("\r\nAllow: GET\r\n"));
  });

  it("names every status of the design", () => {
    const reasons: Array<[status: number, reason: string]> = [
      [403, "Forbidden"],
      [408, "Request Timeout"],
      [414, "URI Too Long"],
      [431, "Request Header Fields Too Large"],
      [500, "Internal Server Error"],
      [501, "Not Implemented"],
      [503, "Service Unavailable"],
      [505, "HTTP Version Not Supported"],
      [599, ""],
    ];
    for (const [status, reason] of reasons) {
      const response = text(encodeRefusal(new HandshakeError(status, "No")));
      assertEquals(response.slice(0, response.indexOf("\r\n")), `HTTP/1.1 ${status} ${reason}`);
    }
  });

  it("has the current date", () => {
    const response = text(encodeRefusal(new HandshakeError(400, "No")));
    assertMatch(
      response,
      /\r\nDate: [A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n/,
    );
  });

  it("keeps the reason in one line, counted in bytes", () => {
    const bytes = encodeRefusal(new HandshakeError(400, "a\r\n\r\nb \u20ac\n"), { date });
    const response = new TextDecoder().decode(bytes);
    assert(response.endsWith("\r\n\r\na b \u20ac \n"));
    assert(response.includes("\r\nContent-Length: 9\r\n"));
  });

  it("leaves out the body where the request was HEAD", () => {
    const error = new HandshakeError(405, "No", [["Allow", "GET"]]);
    const whole = text(encodeRefusal(error, { date }));
    assertEquals(text(encodeRefusal(error, { date, isHead: false })), whole);
    assert(whole.endsWith("\r\n\r\nNo\n"));
    assertEquals(text(encodeRefusal(error, { date, isHead: true })), whole.slice(0, -3));
  });

  it("refuses what is no refusal", () => {
    for (const status of [101, 200, 399, 600, 400.5, NaN, Infinity]) {
      assertThrows(() => encodeRefusal(new HandshakeError(status, "No")), RangeError, `${status}`);
    }
    const error = new HandshakeError(400, "No", [["X-Name", "a\r\nb"]]);
    assertThrows(() => encodeRefusal(error), TypeError, '"X-Name"');
  });
});

describe("encodeResponseHead", () => {
  it("encodes a head", () => {
    assertEquals(
      text(encodeResponseHead(200, "", [["X-A", "1"], ["X-A", "2"]], { contentLength: 0, date })),
      `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n${DATE_LINE}` +
        "X-A: 1\r\nX-A: 2\r\n\r\n",
    );
    assertEquals(
      text(encodeResponseHead(299, "", {}, { date })),
      `HTTP/1.1 299 \r\nConnection: close\r\n${DATE_LINE}\r\n`,
    );
    assertEquals(
      text(encodeResponseHead(200, "Fine \xe9", new Headers(), { date })),
      `HTTP/1.1 200 Fine \xe9\r\nConnection: close\r\n${DATE_LINE}\r\n`,
    );
  });

  it("takes the date of the headers", () => {
    assertEquals(
      text(encodeResponseHead(204, "", { date: "x" }, { date })),
      "HTTP/1.1 204 No Content\r\nConnection: close\r\ndate: x\r\n\r\n",
    );
  });

  it("leaves out what describes another connection", () => {
    const headers = new Headers({
      "Connection": "keep-alive",
      "Content-Length": "17",
      "Keep-Alive": "timeout=5",
      "Proxy-Connection": "keep-alive",
      "TE": "trailers",
      "Trailer": "X-A",
      "Transfer-Encoding": "chunked",
      "X-A": "1",
    });
    assertEquals(
      text(encodeResponseHead(200, "", headers, { contentLength: 5, date })),
      `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n${DATE_LINE}x-a: 1\r\n\r\n`,
    );
  });

  it("sends Upgrade as a connection option", () => {
    assertEquals(
      text(encodeResponseHead(426, "", { Upgrade: "websocket" }, { date })),
      `HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\n${DATE_LINE}` +
        "Upgrade: websocket\r\n\r\n",
    );
  });

  it("refuses what can't be sent", () => {
    for (const status of [0, 101, 199, 600, 200.5, NaN, -200]) {
      assertThrows(() => encodeResponseHead(status, "", {}), RangeError, `${status}`);
    }
    for (const contentLength of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      assertThrows(() => encodeResponseHead(200, "", {}, { contentLength }), RangeError);
    }
    for (const value of BAD_VALUES) {
      assertThrows(() => encodeResponseHead(200, value, {}), TypeError, "reason phrase");
      assertThrows(() => encodeResponseHead(200, "", { "X-Name": value }), TypeError, '"X-Name"');
    }
    for (const name of BAD_NAMES) {
      assertThrows(
        () => encodeResponseHead(200, "", { [name]: "x" }),
        TypeError,
        JSON.stringify(name),
      );
    }
  });
});

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
