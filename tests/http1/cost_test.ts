// @once: it counts steps of code that asks nothing of a runtime.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import {
  isUpgrade,
  parseExtensions,
  parseTokenList,
  RequestHead,
  RequestHeadParser,
  toRequest,
  validateUpgrade,
} from "../../src/handshake/mod.ts";
import { upgradeRequest } from "../support/requests.ts";
import { latin1 } from "../support/raw_client.ts";
import { assertRefused, sampleHead } from "./support.ts";

const PLAIN = { secure: false };

/** Bytes that count how often one of them is looked at. */
class CountedBytes {
  count = 0;

  of(bytes: Uint8Array): Uint8Array {
    return new Proxy(bytes, {
      get: (target, key) => {
        if (typeof key === "string" && /^\d/.test(key)) this.count++;
        const value = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

/** Parses a head in pieces of a size; gives how many bytes were looked at, for each that there is. */
function looksPerByte(head: string, size: number): number {
  const bytes = latin1(head);
  const counted = new CountedBytes();
  const parser = new RequestHeadParser();
  for (let start = 0; start < bytes.length; start += size) {
    parser.push(counted.of(bytes.slice(start, start + size)));
  }
  assert(parser.head !== undefined);
  return counted.count / bytes.length;
}

/** Heads of 16 KiB. */
const HEADS: Record<string, string> = {
  "a long line": `GET /${"a".repeat(8000)} HTTP/1.1\r\nX: ${"y".repeat(8000)}\r\n`,
  "many lines": `GET / HTTP/1.1\r\n${`X: ${"y".repeat(158)}\r\n`.repeat(100)}`,
  "spaces": `GET / HTTP/1.1\r\n${`X:${" ".repeat(8000)}\r\n`.repeat(2)}`,
  "obs-text": `GET / HTTP/1.1\r\n${`X: ${"\xff".repeat(8000)}\r\n`.repeat(2)}`,
  "a long name": `GET / HTTP/1.1\r\n${`${"x".repeat(8000)}: y\r\n`.repeat(2)}`,
};

describe("a head of 16 KiB", () => {
  for (const [name, lines] of Object.entries(HEADS)) {
    it(`of ${name} is looked at the same few times, however it is cut`, () => {
      const head = `${lines}\r\n`;
      assert(head.length > 16_000 && head.length <= 16_384);
      for (const size of [1, 2, 3, 100, 16_384]) {
        const looks = looksPerByte(head, size);
        // Once to scan, once where a line or a piece begins or ends, once to keep it.
        assert(looks <= 4, `${looks} times in pieces of ${size}`);
      }
    });
  }
});

/** What is counted: characters that are looked at or copied, and list elements that are compared. */
function countSteps(run: () => unknown): number {
  let steps = 0;
  const restore: (() => void)[] = [];
  const spy = <T extends object>(
    prototype: T,
    name: string,
    cost: (self: string | unknown[], result: unknown, args: unknown[]) => number,
  ) => {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
    const original = descriptor.value;
    Object.defineProperty(prototype, name, {
      ...descriptor,
      value(this: string | unknown[], ...args: unknown[]) {
        const result = Reflect.apply(original, this, args);
        steps += cost(this, result, args);
        return result;
      },
    });
    restore.push(() => Object.defineProperty(prototype, name, descriptor));
  };
  const searched = (self: string | unknown[], result: unknown, [, from = 0]: unknown[]) =>
    (result === -1 ? self.length : Number(result) + 1) - Number(from);
  spy(String.prototype, "charCodeAt", () => 1);
  spy(String.prototype, "slice", (_, result) => (result as string).length);
  spy(String.prototype, "toLowerCase", (self) => self.length);
  spy(String.prototype, "split", (self) => self.length);
  spy(String.prototype, "indexOf", searched);
  spy(Array.prototype, "indexOf", searched);
  try {
    run();
  } finally {
    for (const undo of restore) undo();
  }
  return steps;
}

const numbered = (count: number, separator: string) =>
  Array.from({ length: count }, (_, i) => `p${i}`).join(separator);

/** Values of a field, of a size, and what reads them. */
const VALUES: [
  name: string,
  create: (count: number) => string,
  read: (value: string) => unknown,
][] = [
  ["extensions", (count) => numbered(count, ", "), parseExtensions],
  ["parameters", (count) => `a;${numbered(count, "; ")}`, parseExtensions],
  ["quoted values", (count) => `a; b="${"\\c".repeat(count)}"`, parseExtensions],
  ["spaces in extensions", (count) => `a${" ".repeat(count)};\t b`, parseExtensions],
  ["empty extensions", (count) => `${",".repeat(count)}a`, parseExtensions],
  ["tokens", (count) => numbered(count, ", "), (value) => parseTokenList(value, "X")],
  ["empty tokens", (count) => `${", ".repeat(count)}a`, (value) => parseTokenList(value, "X")],
  ["spaces in tokens", (count) => `a${" ".repeat(count)},b`, (value) => parseTokenList(value, "X")],
  [
    "protocols",
    (count) => numbered(count, "/1,"),
    (value) => isUpgrade(sampleHead({ Upgrade: value })),
  ],
  [
    "subprotocols",
    (count) => numbered(count, ","),
    (value) => validateUpgrade(sampleHead({ "Sec-WebSocket-Protocol": value }), PLAIN),
  ],
  [
    "subprotocols in fields",
    (count) => numbered(count, ","),
    (value) =>
      validateUpgrade(sampleHead({ "Sec-WebSocket-Protocol": value.split(",") }), {
        secure: false,
      }),
  ],
  ["slashes in Upgrade", (count) => `websocket${"/".repeat(count)}`, (value) =>
    assertRefused(
      () => validateUpgrade(sampleHead({ Upgrade: [value, "websocket"] }), PLAIN),
      400,
    )],
  ["fields", (count) => numbered(count, ","), (value) => {
    const fields = value.split(",").map((name): [string, string] => [name, "x"]);
    return validateUpgrade(new RequestHead("GET", "/", [...sampleHead().fields, ...fields]), {
      secure: false,
    });
  }],
  ["fields of a name", (count) => numbered(count, ","), (value) => {
    const fields = value.split(",").map((name): [string, string] => ["X", name]);
    return new RequestHead("GET", "/", fields).getAll("x");
  }],
];

describe("a value that is long", () => {
  for (const [name, create, read] of VALUES) {
    it(`of ${name} costs in proportion to its length`, () => {
      const [small, large] = [500, 4000].map((count) => {
        const value = create(count);
        return countSteps(() => read(value)) / value.length;
      });
      assert(large <= 1.5 * small, `${small} steps a character, then ${large}`);
      assert(large <= 30, `${large} steps a character`);
    });
  }

  it("of a Host is not given to the URL parser, which may take quadratic time", () => {
    const { URL } = globalThis;
    let longest = 0;
    globalThis.URL = class extends URL {
      constructor(...args: ConstructorParameters<typeof URL>) {
        longest = Math.max(longest, String(args[0]).length);
        super(...args);
      }
    } as typeof URL;
    try {
      const host = `xn--${"a".repeat(8000)}`;
      for (const fields of [{ Host: host }, { Origin: `http://${host}` }]) {
        try {
          validateUpgrade(sampleHead(fields), PLAIN);
        } catch {
          // It is refused, one way or another.
        }
      }
      const short = sampleHead({ Host: "xn--bcher-kva.example", Origin: undefined });
      validateUpgrade(short, PLAIN);
    } finally {
      globalThis.URL = URL;
    }
    assertEquals(longest, "http://xn--bcher-kva.example/".length);
  });
});

describe("a request of 100 fields", () => {
  it("is looked through a limited number of times", () => {
    const parser = new RequestHeadParser();
    const lines = Array.from({ length: 95 }, (_, i) => `X-${i}: y\r\n`).join("");
    parser.push(latin1(`${upgradeRequest().slice(0, -2)}${lines}\r\n`));
    const head = parser.head!;
    assertEquals(head.fields.length, 100);
    const steps = countSteps(() => {
      isUpgrade(head);
      validateUpgrade(head, PLAIN);
    });
    assert(steps < 25 * 100, `${steps} steps`);
    assert(toRequest(head, PLAIN).headers.get("x-94") === "y");
  });
});
