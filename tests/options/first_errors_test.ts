import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { createServer } from "node:http";
import { ListenError, serve } from "../../mod.ts";
import { connect } from "../../src/runtimes/shared/client.ts";
import { toListenError } from "../../src/runtimes/shared/listen_error.ts";
import { mount } from "../../src/runtimes/node/mount.ts";
import type { ListenTarget } from "../../src/transport/byte_channel.ts";
import { show } from "../../src/checks.ts";

// deno-lint-ignore no-explicit-any
type Given = any;

const message = () => {};

/** What is tried first with `serve`, and what the error says besides what is wrong. */
const SERVED: [what: string, options: Given, hint: RegExp][] = [
  ["no handler", { port: 0 }, /second argument/],
  [
    "a limit that is not among `limits`",
    { maxMessageSize: 1, message },
    /did you mean limits\.maxM/,
  ],
  ["a time that is not in `keepAlive`", { intervalMs: 1, message }, /mean keepAlive\.intervalMs\?/],
  ["a rate that is not in `rateLimits`", { bytesPerSecond: 1, message }, /rateLimits\.bytesPerS/],
  ["a limit by another name", { host: "::", message }, /did you mean hostname\?/],
  [
    "true for keepAlive",
    { keepAlive: true, message },
    /false or an object \{ intervalMs, timeoutMs \}/,
  ],
  [
    "a text for compression",
    { compression: "gzip", message },
    /a boolean or an object .*, threshold \}/,
  ],
  ["a text for resume", { resume: "yes", message }, /a boolean or an object .*, topics \}/],
  ["true for memoryBudget", { memoryBudget: true, message }, /must be false or/],
  [
    "an origin that is no list",
    { origin: "https://a.example", message },
    /\["https:\/\/a\.example"\]/,
  ],
  ["a star for the origin", { origin: "*", message }, /"any".*"\*"/],
  [
    "a URL for the broker",
    { broker: "redis://a", message },
    /must be an object with the methods.*as redisBroker\(\)/,
  ],
  ["files for tls", { tls: { cert: new Uint8Array(1), key: "" }, message }, /PEM.*"utf8"/],
  [
    "names of files for tls",
    { tls: { cert: "cert.pem", key: "key.pem" }, message },
    /not its name/,
  ],
  ["a path as a key", { tls: { cert: "/etc/cert", key: "/etc/key" }, message }, /not its name/],
];

describe("the errors of serve() that come first", () => {
  for (const [what, options, hint] of SERVED) {
    it(`say what to do about ${what}`, async () => {
      const error = await assertRejects(() => serve({ port: 0, ...options } as Given), Error);
      assertMatch(error.message, /^Cannot |^Unknown option | must be /);
      assertMatch(error.message, hint);
    });
  }

  it("say who has a port that is in use", async () => {
    const server = await serve({ port: 0, hostname: "127.0.0.1", message });
    try {
      const again = () => serve({ port: server.port, hostname: "127.0.0.1", message });
      const error = await assertRejects(again, ListenError);
      assertEquals([error.name, error.code], ["ListenError", "EADDRINUSE"]);
      assertMatch(error.message, /the address is in use: .*program.*listens/);
    } finally {
      await server.shutdown();
    }
  });
});

describe("the errors of a runtime that does not permit it to listen", () => {
  const cases: [target: ListenTarget, cause: object, message: string][] = [
    [
      { hostname: "::", port: 8080 },
      { name: "NotCapable" },
      "Cannot listen on [::]:8080: permission denied: Deno needs --allow-net",
    ],
    [
      { path: "/a" },
      { name: "NotCapable" },
      "Cannot listen on /a: permission denied: Deno needs --allow-read and --allow-write",
    ],
    [
      { hostname: "::", port: 443 },
      { code: "EACCES" },
      "Cannot listen on [::]:443: permission denied, as for most users below port 1024",
    ],
    [{ path: "/a" }, { code: "EPERM" }, "Cannot listen on /a: permission denied"],
    [
      { hostname: "::", port: 8080 },
      { code: "EACCES" },
      "Cannot listen on [::]:8080: permission denied",
    ],
  ];
  for (const [target, cause, message] of cases) {
    it(`say ${message}`, () => {
      const error = toListenError(target, cause);
      assertEquals([error.message, error.code], [message, "EACCES"]);
    });
  }
});

describe("the errors of mount() that come first", () => {
  it("say where plain HTTP is answered", async () => {
    const error = await assertRejects(() => mount({ fetch() {}, message } as Given), TypeError);
    assertMatch(error.message, /^mount takes no option fetch: set it on the HTTP server$/);
  });

  it("say what to attach to instead of an application", async () => {
    const mounted = await mount({ message });
    const app = Object.assign(function app() {}, { listen() {} });
    const attach = () => mounted.attach(app as Given, { path: "/" });
    const error = assertThrows(attach, TypeError);
    assertMatch(error.message, /createServer\(app\)/);
    assert(error.message.length < 200, error.message);
    await mounted.shutdown();
  });
});

describe("the errors of connect() that come first", () => {
  it("show what a URL is like", async () => {
    const error = await assertRejects(() => connect("example.com"), TypeError);
    assertMatch(
      error.message,
      /"example\.com": it must be a URL, such as "wss:\/\/example\.com\/"/,
    );
  });

  it("say that a web server has no WebSocket there", async () => {
    const http = createServer((_request, response) => response.end("hello"));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as { port: number };
    const error = await assertRejects(() => connect(`ws://127.0.0.1:${port}/`), Error);
    assertMatch(error.message, /the response was 200 OK, which opens no WebSocket/);
    http.close();
  });
});

describe("the errors of send() that come first", () => {
  for (
    const [what, value, hint] of [
      ["an object", { a: 1 }, /^Cannot send an object: .*JSON\.stringify/],
      ["an array", [1], /^Cannot send an array: .*JSON\.stringify/],
      ["an ArrayBuffer", new ArrayBuffer(1), /^Cannot send an ArrayBuffer: .*new Uint8Array/],
      ["a number", 1, /^Cannot send a number: .*strings or Uint8Arrays/],
      ["nothing", undefined, /^Cannot send undefined: .*strings or Uint8Arrays/],
    ] as const
  ) {
    it(`say how to send ${what}`, async () => {
      const server = await serve({ port: 0, hostname: "127.0.0.1", message });
      const error = assertThrows(() => server.publish("topic", value as Given), TypeError);
      assertMatch(error.message, hint);
      await server.shutdown();
    });
  }
});

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
