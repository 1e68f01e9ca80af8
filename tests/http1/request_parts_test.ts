import { describe, it } from "node:test";
import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { HandshakeError } from "../../src/errors.ts";
import { checkRequestParts, type RequestParts } from "../../src/http1/request_parts.ts";
import { RequestHeadParser } from "../../src/http1/request_head_parser.ts";
import { RetainedRequest } from "../../src/http1/retained_request.ts";
import { toRequest } from "../../src/http1/request.ts";
import { RequestHead } from "../../src/http1/request_head.ts";

const PARTS: RequestParts = {
  method: "GET",
  target: "/chat?room=1",
  version: "1.1",
  fields: [["Host", "example.com"], ["X-Octets", "a\xff\t b"], ["x-empty", ""]],
};

/** The bytes of a head, a character each. */
function encode({ method, target, version, fields }: RequestParts): Uint8Array {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `${method} ${target} HTTP/${version}\r\n${lines.join("")}\r\n`;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const REFUSED: [what: string, status: number, parts: Partial<RequestParts>][] = [
  ["HTTP/1.0", 505, { version: "1.0" }],
  ["HTTP/2.0", 505, { version: "2.0" }],
  ["no method", 400, { method: "" }],
  ["a method that is no token", 400, { method: "G(T" }],
  ["no target", 400, { target: "" }],
  ["a space in the target", 400, { target: "/a b" }],
  ["a fragment in the target", 400, { target: "/#a" }],
  ["an octet in the target", 400, { target: "/\xe4" }],
  ["a line feed in the target", 400, { target: "/\n" }],
  ["a field without a name", 400, { fields: [["", "a"]] }],
  ["a name that is no token", 400, { fields: [["X ", "a"]] }],
  ["a carriage return in a value", 400, { fields: [["X", "a\rb"]] }],
  ["a line feed in a value", 400, { fields: [["X", "a\nb"]] }],
  ["a NUL in a value", 400, { fields: [["X", "a\0b"]] }],
  ["DEL in a value", 400, { fields: [["X", "a\x7fb"]] }],
  ["many fields", 431, { fields: Array(5).fill(["X", "a"]) }],
];

describe("checkRequestParts()", () => {
  it("gives the head that the parser gives", () => {
    const parser = new RequestHeadParser();
    parser.push(encode(PARTS));
    const { method, target, fields } = parser.head!;
    const head = checkRequestParts(PARTS, 4);
    assertEquals([head.method, head.target, head.fields], [method, target, fields]);
    assertEquals(head.get("host"), "example.com");
  });

  it("trims values", () => {
    const head = checkRequestParts({ ...PARTS, fields: [["X", " \ta b\t "]] }, 4);
    assertEquals(head.get("x"), "a b");
  });

  for (const [what, status, change] of REFUSED) {
    it(`refuses ${what} with ${status}, as the parser does`, () => {
      const parts = { ...PARTS, ...change };
      for (
        const refuse of [
          () => checkRequestParts(parts, 4),
          () => new RequestHeadParser({ maxFields: 4 }).push(encode(parts)),
        ]
      ) {
        const error = assertThrows(refuse);
        assertInstanceOf(error, HandshakeError);
        assertEquals(error.status, status, error.message);
      }
    });
  }

  it("refuses characters that are no octets", () => {
    for (const change of [{ target: "/\u0100" }, { fields: [["X", "\u0100"]] as const }]) {
      const error = assertThrows(() => checkRequestParts({ ...PARTS, ...change }, 4));
      assertInstanceOf(error, HandshakeError);
      assertEquals(error.status, 400);
    }
  });
});

const FIELDS = [
  ["Host", "example.org:8080"],
  ["X-Empty", ""],
  ["X-Twice", "a: b"],
  ["x-twice", "c\td"],
  ["Cookie", "a=1"],
  ["Cookie", "b=2"],
  ["X-Latin", "caf\xe9"],
] as const;

describe("RetainedRequest", () => {
  for (const secure of [false, true]) {
    it(`gives the same as the head itself would, ${secure ? "with" : "without"} TLS`, () => {
      const head = new RequestHead("GET", "/chat?room=1&x=:", FIELDS);
      const expected = toRequest(head, { secure });
      const retained = new RetainedRequest(head, secure);
      const request = retained.get(toRequest);
      assertEquals([request.method, request.url], [expected.method, expected.url]);
      assertEquals([...request.headers], [...expected.headers]);
      assertStrictEquals(retained.get(toRequest), request);
    });
  }

  it("gives the request that exists already", () => {
    const head = new RequestHead("GET", "/", FIELDS);
    const request = toRequest(head, { secure: false });
    assertStrictEquals(new RetainedRequest(head, false, request).get(toRequest), request);
  });
});
