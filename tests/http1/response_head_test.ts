import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  encodeRefusal,
  encodeResponseHead,
  encodeSwitchingProtocols,
  HandshakeError,
  type HeaderFields,
} from "../../src/handshake/mod.ts";
import { ACCEPT } from "../support/requests.ts";
import { words } from "../support/words.ts";

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
