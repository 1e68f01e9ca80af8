import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseContentLength } from "../../src/handshake/mod.ts";
import { assertRefused, sampleHead } from "../handshake/support.ts";

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

  const codings: [status: number, value: string | string[]][] = [
    [411, "chunked"],
    [411, "CHUNKED"],
    [411, ",chunked ,\t"],
    [501, "gzip, chunked"],
    [501, ["deflate, gzip", "Chunked"]],
    [501, "identity, chunked"],
    [400, "identity"],
    [400, "gzip"],
    [400, "xchunked"],
    [400, "chunkedx"],
    [400, "chun ked"],
    [400, "chunked, gzip"],
    [400, "chunked, identity"],
    [400, "chunked, chunked"],
    [400, ["chunked", "chunked"]],
    [400, "chunked;q=1"],
    [400, '"chunked"'],
    [400, "chunked\xa0"],
    [400, ""],
    [400, ","],
  ];
  for (const [status, value] of codings) {
    it(`refuses the transfer coding ${JSON.stringify(value)} with ${status}`, () => {
      for (const name of ["Transfer-Encoding", "transfer-encoding"]) {
        assertRefused(() => parseContentLength(sampleHead({ [name]: value })), status);
      }
      const both = sampleHead({ "Transfer-Encoding": value, "Content-Length": "0" });
      assertRefused(() => parseContentLength(both), 400, "both");
    });
  }
});
