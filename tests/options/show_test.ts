import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { show } from "../../src/checks.ts";

describe("a value in a message", () => {
  const class_ = class Visitor {};
  const SHOWN: [value: unknown, shown: string][] = [
    ["a\n", '"a\\n"'],
    ["x".repeat(103), `"${"x".repeat(100)}" and 3 more characters`],
    ["redis://ada:secret@example.com/", "a URL with a user"],
    ["redis://example.com/@", '"redis://example.com/@"'],
    ["-----BEGIN PRIVATE KEY-----\nsecret", "a certificate or key"],
    [-0.5, "-0.5"],
    [1n, "1"],
    [null, "null"],
    [undefined, "undefined"],
    [Symbol("s"), "Symbol(s)"],
    [() => "its source is not shown", "a function"],
    [class_, "a function"],
    [{}, "an empty object"],
    [{ key: 1, info: "secret" }, "an object { key, info }"],
    [
      Object.fromEntries([..."abcdefghij"].map((key) => [key, 1])),
      "an object { a, b, c, d, e, f, g, h, ... }",
    ],
    [Object.create(null), "an empty object"],
    [[1, 2], "an array of 2"],
    [new class_(), "an object of Visitor"],
    [new Map(), "an object of Map"],
    [new URL("ws://ada:secret@example.com/"), "an object of URL"],
    [Promise.resolve(), "an object of Promise"],
    [Object.create({ constructor: 1 }), "an object"],
    [
      new Proxy({}, {
        getPrototypeOf() {
          throw new Error("no");
        },
      }),
      "an object",
    ],
  ];
  for (const [value, shown] of SHOWN) {
    it(`is shown as ${JSON.stringify(shown)}`, () => assertEquals(show(value), shown));
  }
});
