// @once: it parses bytes by code that asks nothing of a runtime.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { RequestHeadParser } from "../../src/handshake/mod.ts";
import { singly } from "../codec/support.ts";
import { latin1 } from "../support/raw_client.ts";
import { type Outcome, parsePieces } from "./support.ts";

const REQUEST_LINE = "GET / HTTP/1.1\r\n";

function assertParsed(text: string, limits = {}): void {
  for (const pieces of [[latin1(text)], singly(latin1(text))]) {
    const outcome = parsePieces(pieces, limits);
    assert(typeof outcome === "object" && "consumed" in outcome, JSON.stringify(outcome));
    assertEquals(outcome.consumed, text.length);
  }
}

/** Asserts that the byte at `offset` is refused, and no earlier one. */
function assertPastLimit(text: string, offset: number, status: number, limits = {}): void {
  const outcome = (pieces: Iterable<Uint8Array>): Extract<Outcome, { status: number }> => {
    const outcome = parsePieces(pieces, limits);
    assert(typeof outcome === "object" && "status" in outcome, JSON.stringify(outcome));
    return outcome;
  };
  const single = outcome(singly(latin1(text)));
  assertEquals([single.status, single.offset], [status, offset]);
  assertEquals(outcome([latin1(text)]).message, single.message);
}

/** A head of `size` bytes, of lines that are not too long. */
function headOfSize(size: number): string {
  let text = REQUEST_LINE;
  while (text.length < size - 2) {
    const line = Math.min(4000, size - 2 - text.length);
    // At least "a:\r\n" must fit, also in the line after this one.
    const left = size - 2 - text.length - line;
    const length = left > 0 && left < 4 ? line - 4 : line;
    text += `a:${"x".repeat(length - 4)}\r\n`;
  }
  return `${text}\r\n`;
}

describe("RequestHeadParser limits", () => {
  it("takes a head of 16 KiB, and not a byte more", () => {
    assertEquals(headOfSize(16384).length, 16384);
    assertParsed(headOfSize(16383));
    assertParsed(headOfSize(16384));
    assertPastLimit(headOfSize(16385), 16384, 431);
  });

  it("counts an empty line before the request line", () => {
    assertParsed(`\r\n${headOfSize(16382)}`);
    assertPastLimit(`\r\n${headOfSize(16383)}`, 16384, 431);
  });

  it("does not count what follows the head", () => {
    const bytes = latin1(headOfSize(16384) + "x".repeat(50000));
    assertEquals(new RequestHeadParser().push(bytes), 16384);
  });

  it("takes a request line of 8 KiB, and not a byte more", () => {
    const line = (size: number) => `GET /${"a".repeat(size - 14)} HTTP/1.1\r\n`;
    assertEquals(line(8192).length, 8194);
    assertParsed(`${line(8191)}\r\n`);
    assertParsed(`${line(8192)}\r\n`);
    assertParsed(`\r\n${line(8192)}\r\n`);
    assertPastLimit(`${line(8193)}\r\n`, 8192, 414);
    assertPastLimit(`\r\n${line(8193)}\r\n`, 8194, 414);
  });

  it("refuses a request line that is too long in any of its parts", () => {
    assertPastLimit("G".repeat(20), 10, 414, { maxLineSize: 10 });
    assertPastLimit(`GET /${"a".repeat(20)}`, 10, 414, { maxLineSize: 10 });
    for (let maxLineSize = 0; maxLineSize < 14; maxLineSize++) {
      assertPastLimit(`${REQUEST_LINE}\r\n`, maxLineSize, 414, { maxLineSize });
    }
    assertParsed(`${REQUEST_LINE}\r\n`, { maxLineSize: 14 });
  });

  it("takes a field line of 8 KiB, and not a byte more", () => {
    const head = (size: number) => `${REQUEST_LINE}a: ${"x".repeat(size - 3)}\r\n\r\n`;
    assertParsed(head(8191));
    assertParsed(head(8192));
    assertPastLimit(head(8193), REQUEST_LINE.length + 8192, 431);
    const name = (size: number) => `${REQUEST_LINE}b:\r\n${"a".repeat(size - 1)}:\r\n\r\n`;
    assertParsed(name(8192));
    assertPastLimit(name(8193), REQUEST_LINE.length + 4 + 8192, 431);
    assertPastLimit(name(9000), REQUEST_LINE.length + 4 + 8192, 431);
    const trailing = (size: number) => `${REQUEST_LINE}a:${" ".repeat(size - 2)}\r\n\r\n`;
    assertParsed(trailing(8192));
    assertPastLimit(trailing(8193), REQUEST_LINE.length + 8192, 431);
    const obsText = (size: number) => `${REQUEST_LINE}a:${"\xff".repeat(size - 2)}\r\n\r\n`;
    assertParsed(obsText(8192));
    assertPastLimit(obsText(8193), REQUEST_LINE.length + 8192, 431);
  });

  it("takes 100 field lines, and not one more", () => {
    const head = (count: number) => `${REQUEST_LINE}${"a:\r\n".repeat(count)}\r\n`;
    assertParsed(head(99));
    assertParsed(head(100));
    assertPastLimit(head(101), REQUEST_LINE.length + 400, 431);
    assertParsed(head(0), { maxFields: 0 });
    assertPastLimit(head(1), REQUEST_LINE.length, 431, { maxFields: 0 });
  });

  it("refuses a request line past the limit of the head with 414", () => {
    assertPastLimit(`${REQUEST_LINE}\r\n`, 10, 414, { maxHeadSize: 10 });
    assertPastLimit(`${REQUEST_LINE}\r\n`, 17, 431, { maxHeadSize: 17 });
    assertParsed(`${REQUEST_LINE}\r\n`, { maxHeadSize: 18 });
  });

  it("has no limit where it is Infinity", () => {
    assertParsed(`GET /${"a".repeat(100000)} HTTP/1.1\r\n${"a: b\r\n".repeat(1000)}\r\n`, {
      maxHeadSize: Infinity,
      maxLineSize: Infinity,
      maxFields: Infinity,
    });
  });

  it("names the limit", () => {
    const message = (text: string, limits = {}): string => {
      const outcome = parsePieces([latin1(text)], limits);
      assert(typeof outcome === "object" && "message" in outcome);
      return outcome.message;
    };
    const head = `${REQUEST_LINE}Host: example.com\r\n\r\n`;
    assertStringIncludes(
      message(head, { maxLineSize: 10 }),
      "request line is longer than 10 bytes",
    );
    assertStringIncludes(message(head, { maxHeadSize: 9 }), "request line is longer than 9 bytes");
    assertStringIncludes(message(head, { maxLineSize: 16 }), "header line is longer than 16 bytes");
    assertStringIncludes(message(head, { maxHeadSize: 20 }), "head is larger than 20 bytes");
    assertStringIncludes(message(head, { maxFields: 0 }), "more than 0 header lines");
  });

  it("holds no more than twice what has arrived", () => {
    const parser = new RequestHeadParser();
    for (const [i, piece] of [...singly(latin1(`GET /${"a".repeat(4000)}`))].entries()) {
      parser.push(piece);
      const { heldLength } = parser;
      assert(heldLength > i && heldLength <= 2 * (i + 1), `${heldLength} bytes of ${i + 1}`);
    }
  });

  it("takes undefined for the default", () => {
    assertPastLimit(headOfSize(16385), 16384, 431, { maxHeadSize: undefined });
  });

  it("refuses a limit that is none", () => {
    for (const name of ["maxHeadSize", "maxLineSize", "maxFields"]) {
      for (const value of [-1, NaN, 0.5, -Infinity, 2 ** 53]) {
        assertThrows(() => new RequestHeadParser({ [name]: value }), RangeError, name);
      }
      for (const value of ["1", null]) {
        assertThrows(() => new RequestHeadParser({ [name]: value as never }), TypeError, name);
      }
    }
  });
});
