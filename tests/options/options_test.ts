import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { readdir, readFile } from "node:fs/promises";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { connectedPair, MemoryNetwork } from "../../src/testing/mod.ts";
import { type Bag, BAGS, type Running } from "./bags.ts";
import { resolveServeOptions } from "../../src/server/resolve_options.ts";
import { defaultServerSettings, plainSettings } from "../../src/server/settings.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";

const root = new URL("../../", import.meta.url);

/** Interfaces of options that others are made of: no call takes them as they are. */
const PARTS = ["AcceptOptions", "ConnectionOptions", "HostOptions"];

/** Interfaces of options of classes that browsers have, too, which pass over unknown ones. */
const STANDARD = ["WebSocketErrorOptions"];

/** Interfaces of options that something else may stand for, whose messages tell of that. */
const SHORTENED = ["PresenceEntry", "ProxyOptions"];

/** What is exported and takes no options: a new export has to be put here, or among the bags. */
const WITHOUT_OPTIONS = new Set([
  "ConnectError",
  "ConnectionClosedError",
  "FakeClock",
  "HandshakeError",
  "HeaderFieldList",
  "ListenError",
  "MessageTooBigError",
  "ProtocolError",
  "RequestHead",
  "ResponseHead",
  "UnexpectedResponseError",
  "Utf8Validator",
  "WebSocketError",
  "computeAccept",
  "createKey",
  "encodeRequestHead",
  "isCloseCode",
  "isControl",
  "isOpcode",
  "isUpgrade",
  "mask",
  "parseContentLength",
  "parseExtensions",
  "parseTokenList",
  "randomSizes",
  "selectSubprotocol",
  "upgradeRequired",
  "validateOriginPolicy",
]);

/** Entry points that can't be loaded on every runtime, or are no library. */
const NOT_LOADED = new Set(["./cli", "./deno", "./bun", "./node"]);

/** What no call takes for options. */
const NO_OPTIONS: [name: string, value: unknown][] = [
  ["null", null],
  ["a number", 4001],
  ["a text", "mine"],
  ["a symbol", Symbol("options")],
  ["a function", () => {}],
  ["a list", ["chat"]],
  ["a signal instead of { signal }", new AbortController().signal],
  ["a map", new Map([["signal", 1]])],
  ["a date", new Date()],
];

/** Uses a bag with a server and a connection of its own; gives what it threw or rejected with. */
async function use(bag: Bag, given: unknown): Promise<unknown> {
  const network = new MemoryNetwork();
  const opened = Promise.withResolvers<Running["conn"]>();
  const open = (conn: Running["conn"]) => opened.resolve(conn);
  const server = await network.serve({ port: 80, open });
  const client = await network.connect("ws://server.example/");
  try {
    await bag.use(given, { conn: await opened.promise, server });
  } catch (error) {
    return error;
  } finally {
    client.abort();
    await server.shutdown();
  }
  return undefined;
}

/** Gives the names of a bag, as its message about an unknown one lists them. */
async function namesOf(bag: Bag): Promise<string[]> {
  const error = await use(bag, { ...bag.required, "no-such option": 1 });
  assertInstanceOf(error, TypeError);
  const [, key, names] = /^Unknown option (\S+)\.no-such option: \S+ has (.*)$/
    .exec(error.message) ?? [];
  assertEquals(key, bag.name, error.message);
  return names.split(", ");
}

function assertRefused(error: unknown, pattern: RegExp): void {
  assertInstanceOf(error, TypeError);
  assert(pattern.test(error.message), error.message);
}

for (const bag of BAGS) {
  const { name, type, required = {}, free = [], of } = bag;
  describe(`the options of ${name} (${type}${of === undefined ? "" : ", as exported"})`, () => {
    it("are refused where one is unknown, whatever its value is, and the known ones are told", async () => {
      const names = await namesOf(bag);
      for (const value of [undefined, null, true]) {
        const error = await use(bag, { ...required, unheardOf: value });
        assertRefused(error, /unheardOf/);
        assert((error as Error).message.includes(names.join(", ")));
      }
      const inherited = Object.fromEntries([["__proto__", 1]]);
      assertRefused(await use(bag, { ...required, ...inherited }), /__proto__/);
      assertRefused(await use(bag, { ...required, toString: 1 }), /toString/);
    });

    it("are refused where they are something else", async () => {
      const names = await namesOf(bag);
      for (const [what, value] of NO_OPTIONS) {
        const error = await use(bag, value);
        assertInstanceOf(error, TypeError, what);
        // What may be something else besides says so itself.
        assert(/^Cannot | must be /.test(error.message), `${what}: ${error.message}`);
        if (SHORTENED.includes(type)) continue;
        assert(error.message.includes(names.join(", ")), `${what}: ${error.message}`);
      }
    });

    it("are refused where one is of another type", async () => {
      for (const option of await namesOf(bag)) {
        if (free.includes(option)) continue;
        for (const value of [Symbol("wrong"), null]) {
          const error = await use(bag, { ...required, [option]: value });
          assertInstanceOf(error, TypeError, `${option}: ${String(value)}`);
          assert(/^(Cannot |[\w. ]+ must )/.test(error.message), `${option}: ${error.message}`);
        }
      }
    });

    if (bag.isRefusedOnly) return;
    it("may be there and undefined", async () => {
      const names = await namesOf(bag);
      const given = { ...Object.fromEntries(names.map((key) => [key, undefined])), ...required };
      assertEquals(await use(bag, given), undefined);
    });

    it("may come from another realm, or have no prototype, or be those of a class", async () => {
      class Options {
        constructor() {
          Object.assign(this, required);
        }
      }
      const bare: object = Object.assign(Object.create(null), required);
      assertEquals(await use(bag, bare), undefined);
      assertEquals(await use(bag, Object.create({ ...required })), undefined);
      assertEquals(await use(bag, new Options()), undefined);
      const foreign: object = runInNewContext("({})");
      assertEquals(await use(bag, Object.assign(foreign, required)), undefined);
    });
  });
}

describe("what takes options", () => {
  it("is all among these: every interface of options", async () => {
    const types = new Set([...BAGS.map(({ type }) => type), ...PARTS, ...STANDARD]);
    const found: string[] = [];
    for (const path of await readdir(new URL("src/", root), { recursive: true })) {
      if (!path.endsWith(".ts")) continue;
      const source = await readFile(new URL(`src/${path}`, root), "utf8");
      for (const [, type] of source.matchAll(/^export interface (\w+Options)\b/gm)) {
        found.push(type);
      }
    }
    assert(found.length > 20);
    assertEquals(found.filter((type) => !types.has(type)), []);
  });

  it("is all among these: every function and class that is exported", async () => {
    const { exports } = JSON.parse(await readFile(new URL("deno.json", root), "utf8"));
    const taken = new Set(BAGS.map(({ of }) => of));
    const unknown: string[] = [];
    for (const [entry, path] of Object.entries<string>(exports)) {
      if (NOT_LOADED.has(entry)) continue;
      const module = await import(new URL(path, root).href);
      for (const [name, value] of Object.entries(module)) {
        if (typeof value !== "function" || taken.has(name) || WITHOUT_OPTIONS.has(name)) continue;
        unknown.push(`${entry}: ${name}`);
      }
    }
    assertEquals(unknown, []);
  });
});

describe("an unknown option", () => {
  const MEANT: [wrong: string, meant: string][] = [
    ["mesage", "message"],
    ["onMessage", "message"],
    ["onclose", "close"],
    ["host", "hostname"],
    ["Port", "port"],
    ["orgin", "origin"],
    ["maxHeaderSize", "maxHeadSize"],
    ["maxConnection", "maxConnections"],
    ["handshakeTimeout", "handshakeTimeoutMs"],
  ];
  for (const [wrong, meant] of MEANT) {
    it(`is told with the one that is meant: ${wrong}, ${meant}`, async () => {
      await assertRejects(
        () => new MemoryNetwork().serve({ [wrong]: 1 } as object, () => {}),
        TypeError,
        `Unknown option serve.${wrong}: did you mean ${meant}? serve has port, `,
      );
    });
  }

  it("is told without one where none is near", async () => {
    await assertRejects(
      () => new MemoryNetwork().serve({ reuseport: true } as object, () => {}),
      TypeError,
      "Unknown option serve.reuseport: serve has port, ",
    );
  });
});

describe("Connection.close()", () => {
  it("refuses the arguments of a standard WebSocket, and stays open", async () => {
    const { client } = await connectedPair();
    const close = client.close.bind(client) as (...given: unknown[]) => Promise<unknown>;
    const wrong = [
      [4001],
      [4001, "mine"],
      ["mine"],
      [undefined, "mine"],
      [{ closeCode: 4001 }, "mine"],
      [{ code: 4001 }],
      [{ closeCode: "4001" }],
      [{ reason: 1 }],
    ];
    for (const given of wrong) {
      let error: unknown;
      try {
        await close(...given);
      } catch (thrown) {
        error = thrown;
      }
      assertRefused(error, /closeCode, reason|status code|reason that is not/);
      assertEquals(client.state, "open");
    }
    assertEquals((await client.close({ closeCode: 4001, reason: "mine" })).closeCode, 4001);
  });
});

// deno-lint-ignore no-explicit-any
type Given = any;

const message = () => {};
const handler = () => {};

describe("the settings of a server that are found without loading the checks of options", () => {
  const plain: [what: string, options: Given, handler?: () => void][] = [
    ["a callback", { message }],
    ["all callbacks", { open: message, message, ping: message, drain: message, close: message }],
    ["a handler", {}, handler],
    ["a port and a host name", { port: 0, hostname: "::1", message }],
    ["a port and a host name left out", { port: undefined, hostname: undefined }, handler],
  ];
  for (const [what, options, handler] of plain) {
    it(`are those that the checks give for ${what}`, () => {
      const defaults = defaultServerSettings(new FakeClock());
      const found = plainSettings(options, handler, defaults);
      assertEquals(found, resolveServeOptions(options, handler, defaults, options));
      assertEquals(found?.settings.accept.callbacks, handler === undefined ? options : undefined);
    });
  }

  const others: [what: string, options: Given, handler?: unknown][] = [
    ["null", null],
    [
      "an object of a class",
      new (class {
        message() {}
      })(),
    ],
    ["neither handler nor callback", { port: 0 }],
    ["both", { message }, handler],
    ["a handler that is no function", {}, "handler"],
    ["a callback that is no function", { message: "message" }],
    ["an option of another name", { message, maxHandshakes: 1 }],
    ["an unknown name that is left out", { message, mesage: undefined }],
    ["a port out of range", { message, port: 65_536 }],
    ["a text as port", { message, port: "80" }],
    ["an empty host name", { message, hostname: "" }],
  ];
  for (const [what, options, handler] of others) {
    it(`are left to the checks for ${what}`, () => {
      assertEquals(plainSettings(options, handler as Given, defaultServerSettings()), undefined);
    });
  }
});
