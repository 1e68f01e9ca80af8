import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import {
  HandshakeError,
  isUpgrade,
  parseContentLength,
  RequestHeadParser,
  toRequest,
  validateUpgrade,
} from "../../src/handshake/mod.ts";
import { singly } from "../codec/support.ts";
import { FRAMING_LINES } from "../support/framing_lines.ts";
import { latin1 } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { assertRefused, sampleHead } from "./support.ts";

/** What becomes of a request: 101, 200 for plain HTTP, 0 where it is not whole, or why it is refused. */
function judge(text: string, pieces: Iterable<Uint8Array> = [latin1(text)]): number {
  const parser = new RequestHeadParser();
  const options = { secure: false };
  try {
    for (const piece of pieces) parser.push(piece);
    const { head } = parser;
    if (head === undefined) return 0;
    if (isUpgrade(head)) {
      validateUpgrade(head, options);
      return 101;
    }
    parseContentLength(head);
    toRequest(head, options);
    return 200;
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    return error.status;
  }
}

/** The same, however the request is cut. */
function judgeCut(text: string): number {
  const status = judge(text);
  assertEquals(judge(text, singly(latin1(text))), status);
  return status;
}

/** Puts lines at the end of a head. */
const withLines = (head: string, lines: string) => `${head.slice(0, -2)}${lines}\r\n\r\n`;

describe("lines that say where a request ends", () => {
  for (const [lines, upgradeStatus, postStatus] of FRAMING_LINES) {
    it(`${JSON.stringify(lines).slice(0, 60)}: ${upgradeStatus}, and ${postStatus} with POST`, () => {
      assertEquals(judgeCut(withLines(upgradeRequest(), lines)), upgradeStatus);
      // How much there may be is not for the head to say.
      const expected = postStatus === 413 ? 200 : postStatus;
      assertEquals(judgeCut(withLines(httpRequest({ method: "POST" }), lines)), expected);
    });
  }

  it("are as bad in HTTP/1.0, which is refused at its version", () => {
    for (const [lines] of FRAMING_LINES) {
      const request = withLines(upgradeRequest({ version: "HTTP/1.0" }), lines);
      assertEquals(judgeCut(request), 505);
    }
  });
});

describe("parseContentLength", () => {
  it("parses decimal digits", () => {
    assertEquals(parseContentLength(sampleHead()), undefined);
    for (
      const [value, length] of [["0", 0], ["7", 7], ["0042", 42], [`${2 ** 53 - 1}`, 2 ** 53 - 1]]
    ) {
      assertEquals(parseContentLength(sampleHead({ "Content-Length": `${value}` })), length);
    }
  });

  it("refuses digits of another script, which a head built by hand may have", () => {
    assertRefused(() => parseContentLength(sampleHead({ "content-length": "\u0661" })), 400);
  });

  it("says that there are both a length and a transfer coding, whatever the coding", () => {
    for (const coding of ["chunked", "identity, chunked", "gzip", "chunked\xa0", ""]) {
      const head = sampleHead({ "Transfer-Encoding": coding, "Content-Length": "0" });
      assertRefused(() => parseContentLength(head), 400, "both");
    }
  });
});

/** An upgrade request in which every kind of value can be spoiled. */
const REQUEST = upgradeRequest({
  target: "/chat?x=%20",
  headers: {
    Origin: "http://example.com",
    "Sec-WebSocket-Protocol": "chat, other",
    "Sec-WebSocket-Extensions": 'a; b=1, c; d="2"',
    "X-Other": "value",
  },
});

/** Whether `offset` is within a value that nobody looks at. */
const isOpaque = (offset: number) => {
  const start = REQUEST.indexOf("X-Other:") + "X-Other:".length;
  return offset >= start && offset <= REQUEST.indexOf("\r\n", start);
};

/** Whether spaces may stand there: around a value, and around the separators of a list. */
const isOptionalSpace = (offset: number) => {
  const line = REQUEST.lastIndexOf("\n", offset - 1) + 1;
  const colon = REQUEST.indexOf(":", line);
  if (line === 0 || colon === -1 || offset <= colon || REQUEST[offset - 1] === "\r") return false;
  if (offset <= colon + 2 || REQUEST[offset] === "\r") return true;
  const isList = /^Sec-WebSocket-(Protocol|Extensions):/.test(REQUEST.slice(line));
  return isList && /[,;= ]/.test(REQUEST.slice(offset - 1, offset + 1));
};

describe("an upgrade request with one thing wrong", () => {
  it("is accepted with nothing wrong", () => assertEquals(judgeCut(REQUEST), 101));

  it("is refused with any control character at any place", () => {
    const controls = "\0\x01\x07\b\n\v\f\r\x0e\x1b\x1f\x7f";
    for (let offset = 0; offset < REQUEST.length; offset++) {
      for (const control of controls) {
        const text = REQUEST.slice(0, offset) + control + REQUEST.slice(offset);
        // A line feed behind the last CR only seems to be another.
        if (text.startsWith(REQUEST)) continue;
        assertEquals(judge(text), 400, JSON.stringify(text.slice(0, offset + 1)));
      }
    }
  });

  it("is refused with any other line end in the place of one", () => {
    const ends = [...REQUEST.matchAll(/\r\n/g)].map(({ index }) => index);
    assertEquals(ends.length, 11);
    for (const other of ["\n", "\r", "\n\r", "\r\r\n", "\r\n ", "\r\n\t", "\v", "\0\r\n"]) {
      for (const end of ends.slice(0, -1)) {
        const text = REQUEST.slice(0, end) + other + REQUEST.slice(end + 2);
        assertEquals(judge(text), 400, JSON.stringify([end, other]));
      }
    }
    // At the end of the head, what is missing may still come.
    const start = REQUEST.slice(0, -2);
    for (const other of ["\n", "\r\r\n", "\r\0", " \r\n", "\t\r\n", "\v\r\n", "\x85\r\n"]) {
      assertEquals(judge(start + other), 400, JSON.stringify(other));
    }
    assertEquals([judge(start), judge(`${start}\r`)], [0, 0]);
  });

  it("is refused with a byte of 0x80 or more at any place, but within values of no meaning", () => {
    for (let offset = 0; offset < REQUEST.length; offset++) {
      for (const byte of ["\x80", "\x85", "\xa0", "\xff"]) {
        const text = REQUEST.slice(0, offset) + byte + REQUEST.slice(offset);
        const status = judge(text);
        assertEquals(status === 101, isOpaque(offset), JSON.stringify(text.slice(0, offset + 1)));
        assert([101, 200, 400, 403, 426].includes(status), `${status}`);
      }
    }
  });

  it("is refused with a space or tab at any place where none is optional", () => {
    for (let offset = 0; offset < REQUEST.length; offset++) {
      for (const blank of " \t") {
        const text = REQUEST.slice(0, offset) + blank + REQUEST.slice(offset);
        const isAllowed = isOpaque(offset) || isOptionalSpace(offset);
        const status = judge(text);
        assertEquals(status === 101, isAllowed, JSON.stringify(text.slice(0, offset + 1)));
        assert([101, 200, 400, 403, 426].includes(status), `${status}`);
      }
    }
  });

  it("is refused without any of its lines that it needs, and with any of them twice", () => {
    const lines = REQUEST.slice(0, -4).split("\r\n");
    const statuses = (change: (line: string) => string[]) =>
      Object.fromEntries(
        lines.slice(1).map((line, i) => [
          line.slice(0, line.indexOf(":")),
          judgeCut([...lines.slice(0, i + 1), ...change(line), ...lines.slice(i + 2), "\r\n"]
            .join("\r\n")),
        ]),
      );
    const optional = { "X-Other": 101, "Sec-WebSocket-Extensions": 101 };
    const missing = {
      ...optional,
      Host: 400,
      Upgrade: 200, // Plain HTTP.
      Connection: 400,
      "Sec-WebSocket-Key": 400,
      "Sec-WebSocket-Version": 400,
      Origin: 101,
      "Sec-WebSocket-Protocol": 101,
    };
    assertEquals(statuses(() => []), missing);
    const twice = {
      ...optional,
      Host: 400,
      Upgrade: 101,
      Connection: 101,
      "Sec-WebSocket-Key": 400,
      "Sec-WebSocket-Version": 400,
      Origin: 400,
      "Sec-WebSocket-Protocol": 400, // Its elements must be unique.
    };
    assertEquals(statuses((line) => [line, line]), twice);
    assertEquals(statuses((line) => [line, line.replace(/^[^:]+/, (name) => name.toUpperCase())]), {
      ...twice,
    });
  });

  it("is refused with an empty line in front of it, but for one", () => {
    assertEquals(judgeCut(`\r\n${REQUEST}`), 101);
    for (const before of ["\r\n\r\n", "\n", "\n\n", "\r", "\r\r\n", " \r\n", "\r\n ", "\r\n\n"]) {
      assertEquals(judgeCut(before + REQUEST), 400, JSON.stringify(before));
    }
    // However many there are, the second is the last that is looked at.
    assertEquals(judge("\r\n".repeat(100_000)), 400);
  });
});
