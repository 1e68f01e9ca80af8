import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseContentLength, parseExtensions, parseTokenList } from "../../src/handshake/mod.ts";
import { words } from "../support/words.ts";
import { assertRefused, sampleHead } from "./support.ts";

describe("parseTokenList", () => {
  const accepted: Array<[value: string, tokens: string[]]> = [
    ["a", ["a"]],
    ["keep-alive, Upgrade", ["keep-alive", "Upgrade"]],
    ["a,b", ["a", "b"]],
    ["\t a \t,\t b ", ["a", "b"]],
    [",a,, ,b,", ["a", "b"]],
    ["!#$%&'*+-.^_`|~09AZaz", ["!#$%&'*+-.^_`|~09AZaz"]],
    ["__proto__, constructor", ["__proto__", "constructor"]],
  ];
  for (const [value, tokens] of accepted) {
    it(`parses ${JSON.stringify(value)}`, () => {
      assertEquals(parseTokenList(value, "Connection"), tokens);
    });
  }

  const malformed = [
    "",
    " ",
    ",",
    " ,\t,",
    "a b",
    "a;b",
    '"a"',
    "a, b/c",
    "caf\xe9",
    "a\xa0",
    "a\0",
  ];
  for (const value of [...malformed, "\u0161"]) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      assertRefused(() => parseTokenList(value, "X-Name"), 400, "malformed X-Name header");
    });
  }
});

describe("parseExtensions", () => {
  const accepted: Array<[value: string, extensions: ReturnType<typeof parseExtensions>]> = [
    ["foo", [{ name: "foo", parameters: [] }]],
    ["permessage-deflate; client_max_window_bits", [
      { name: "permessage-deflate", parameters: [["client_max_window_bits", true]] },
    ]],
    ["a;b=1;c;d=x, e ,f;g", [
      { name: "a", parameters: [["b", "1"], ["c", true], ["d", "x"]] },
      { name: "e", parameters: [] },
      { name: "f", parameters: [["g", true]] },
    ]],
    ["a ; b = 1\t;\tc ", [{ name: "a", parameters: [["b", "1"], ["c", true]] }]],
    ['a; b="10"', [{ name: "a", parameters: [["b", "10"]] }]],
    ['a; b="\\1\\0" ; c', [{ name: "a", parameters: [["b", "10"], ["c", true]] }]],
    ["a; b=1; b=2; b", [{ name: "a", parameters: [["b", "1"], ["b", "2"], ["b", true]] }]],
    ["a, a; x", [{ name: "a", parameters: [] }, { name: "a", parameters: [["x", true]] }]],
    [",, a ,, b ,", [{ name: "a", parameters: [] }, { name: "b", parameters: [] }]],
    ["__proto__; constructor=__proto__", [
      { name: "__proto__", parameters: [["constructor", "__proto__"]] },
    ]],
    // The examples of RFC 7692, section 7.1, and RFC 6455, section 9.1.
    ["permessage-deflate; client_max_window_bits; server_max_window_bits=10", [
      {
        name: "permessage-deflate",
        parameters: [["client_max_window_bits", true], ["server_max_window_bits", "10"]],
      },
    ]],
    ["bar; baz=2, foo", [
      { name: "bar", parameters: [["baz", "2"]] },
      { name: "foo", parameters: [] },
    ]],
  ];
  for (const [value, extensions] of accepted) {
    it(`parses ${JSON.stringify(value)}`, () => assertEquals(parseExtensions(value), extensions));
  }

  const refused = [
    ...["", " ", "a b", "a; ,b", "a; =1", "a; b=", "a; b=,c", "a; b=;c", "a; b==1", "a; b=1 2"],
    ...['a; b="', 'a; b="1', 'a; b="1\\', 'a; b="1\\"', 'a; b=""', 'a; b="1 2"', 'a; b="1,2"'],
    ...['a; b="\\""', 'a; b="1"2', 'a; b="1" 2', 'a; b=1"2"', "a; b=\xe9", 'a; b="\xe9"'],
    ...["a; b=\u0161", "a; b=c=d", "a\0", "a\xa0"],
    ...words`, a; a;;b ;a "a" a=1 a/b`,
  ];
  for (const value of refused) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      assertRefused(() => parseExtensions(value), 400, "malformed Sec-WebSocket-Extensions header");
    });
  }
});

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
