import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseContentLength } from "../../src/handshake/mod.ts";
import { assertRefused, sampleHead } from "./support.ts";

describe("parseContentLength", () => {
  it("parses decimal digits", () => {
    assertEquals(parseContentLength(sampleHead()), undefined);
    for (
      const [value, length] of [["0", 0], ["7", 7], ["0042", 42], [
        "9007199254740991",
        2 ** 53 - 1,
      ]] as const
    ) {
      assertEquals(parseContentLength(sampleHead({ "Content-Length": value })), length);
    }
  });

  for (
    const value of [
      "",
      "-1",
      "+1",
      "1.0",
      "1e3",
      "0x10",
      "1 1",
      "1,1",
      "1, 1",
      "1;",
      "\u0661",
      "\xb2",
      "Infinity",
      "9007199254740992",
      "1".repeat(400),
      ["1", "1"],
      ["1", "2"],
    ]
  ) {
    it(`refuses ${JSON.stringify(value).slice(0, 40)}`, () => {
      assertRefused(() => parseContentLength(sampleHead({ "content-length": value })), 400);
    });
  }

  it("refuses every transfer coding", () => {
    for (
      const value of [
        "chunked",
        "identity",
        "gzip, chunked",
        "",
        ["chunked", "chunked"],
        "xchunked",
      ]
    ) {
      const fields = { "Transfer-Encoding": value };
      assertRefused(() => parseContentLength(sampleHead(fields)), 501, "Content-Length");
      assertRefused(
        () => parseContentLength(sampleHead({ ...fields, "Content-Length": "0" })),
        400,
      );
    }
  });
});
