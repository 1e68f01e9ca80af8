import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseContentLength } from "../../src/handshake/mod.ts";
import { assertRefused, sampleHead } from "./support.ts";

// What it refuses, and with which status, is in `strictness_test.ts`.
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
