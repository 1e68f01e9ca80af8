import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import type { Listen, ListenTarget } from "../../src/transport/byte_channel.ts";
import type {
  ConnectionCallbacks,
  Handler,
  ServeOptions,
  Server,
  ServerConnection,
} from "../../src/server/mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { watch } from "../support/watch.ts";
import { LIMITS, optionsWith } from "./limits_table.ts";
import { streamOf } from "../support/stream_of.ts";
import { withConnection } from "../support/transports.ts";

type Options = ServeOptions & ConnectionCallbacks;

const handler: Handler = () => {};

/** Tries to serve, with a handler unless another is given; gives what was thrown, and where it listened. */
async function tryServe(
  options: unknown,
  ...others: unknown[]
): Promise<{ error: unknown; target: ListenTarget | undefined }> {
  const [given] = others.length === 0 ? [handler] : others;
  let target: ListenTarget | undefined;
  const listen: Listen = (wanted) => {
    target = wanted;
    return Promise.resolve({
      addr: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
      ref() {},
      unref() {},
      close: () => Promise.resolve(),
    });
  };
  const served = watch(
    WebSocketServer.listen(listen, options as Options, given as Handler),
  );
  await served.untilSettled();
  await served.value?.shutdown();
  return { error: served.reason, target };
}

/** What is refused where a number is wanted: numbers out of any range, and what is none. */
const NO_NUMBERS = [NaN, -1, 1.5, "1", null, true, {}, -Infinity, 2 ** 53, 1n];

function errorClassFor(value: unknown): typeof TypeError | typeof RangeError {
  return typeof value === "number" ? RangeError : TypeError;
}

function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return "an empty object";
  return typeof value === "string" ? `"${value}"` : String(value);
}

describe("options of a server that are numbers", () => {
  for (const { name, unit, min = 0 } of LIMITS) {
    const [good, bad, range] = unit === "ms"
      ? [[1, 2 ** 31 - 1], [0, 2 ** 31], "integer number of milliseconds from 1 to 2,147,483,647"]
      : [[min, min + 1, Number.MAX_SAFE_INTEGER], [min - 1], `integer of at least ${min}`];
    it(`${name} is an ${range}, or Infinity`, async () => {
      for (const value of [...good, Infinity, undefined]) {
        assertEquals((await tryServe(optionsWith(name, value))).error, undefined);
      }
      for (const value of [...bad, ...NO_NUMBERS]) {
        const { error, target } = await tryServe(optionsWith(name, value));
        assertInstanceOf(error, errorClassFor(value));
        const expected = `${name} must be an ${range}, or Infinity, got ${shown(value)}`;
        assertEquals([error.message, target], [expected, undefined]);
      }
    });
  }
});

/** A broker, as far as its methods go. */
const NO_KEEPER = Object.fromEntries(
  ["start", "publish", "subscribe", "unsubscribe", "close"].map((name) => [name, () => {}]),
);

type Bad = [name: string, options: unknown, message: RegExp, handler?: unknown];
const OUT_OF_RANGE: Bad[] = [
  [
    "a port that is too high",
    { port: 65536 },
    /^port must be an integer from 0 to 65,535, got 65536$/,
  ],
  ["a negative port", { port: -1 }, /port must be.*, got -1$/],
  ["a fractional port", { port: 80.5 }, /port must be.*, got 80\.5$/],
  ["NaN for a port", { port: NaN }, /port must be.*, got NaN$/],
];
const BAD: Bad[] = [
  [
    "another reaction to a rate",
    { rateLimits: { onExceeded: "drop" } },
    /rateLimits.onExceeded must be "pause" or "close", got "drop"/,
  ],
  [
    "an unknown overflow policy",
    { limits: { sendQueueOverflow: "ignore" } },
    /limits.sendQueueOverflow must be "close", "drop" or "wait", got "ignore"/,
  ],
  ["a broker that keeps nothing", { resume: true, broker: NO_KEEPER }, /no method keep/],
  ["an unknown origin policy", { origin: "none" }, /^origin must be "same".*, got "none"$/],
  ["an origin no browser sends", { origin: ["https://a.example/"] }, /a\.example/],
  ["an origin of WebSocket", { origin: ["wss://a.example"] }, /wss/],
  ["a text for a port", { port: "80" }, /port must be.*, got "80"$/],
  ["an empty host name", { hostname: "" }, /hostname must be.*, got ""$/],
  ["a number for a host name", { hostname: 1 }, /hostname must be.*, got 1$/],
  ["an empty path", { path: "" }, /^path must be.*, got ""$/],
  ["a path with NUL", { path: "a\0b" }, /^path must be a non-empty file name/],
  ["a path and a port", { path: "/tmp/a", port: 80 }, /path and a port/],
  ["a path and a host name", { path: "/tmp/a", hostname: "a" }, /path and a port/],
  ["tls without a key", { tls: { cert: "" } }, /tls.*PEM/],
  ["tls of bytes", { tls: { cert: new Uint8Array(), key: "" } }, /tls.*PEM/],
  [
    "a controller for the signal",
    { signal: new AbortController() },
    /^signal must be an AbortSignal/,
  ],
  ["a text for the handler", {}, /^handler must be a function, got "text"$/, "text"],
  ["null for the handler", {}, /^handler must be a function, got null$/, null],
  ["a handler and a callback", { close() {} }, /handler and callbacks/],
];

describe("options of a server that can't be", () => {
  for (const [name, options, message, given = handler] of [...OUT_OF_RANGE, ...BAD]) {
    const ErrorClass = OUT_OF_RANGE.some(([each]) => each === name) ? RangeError : TypeError;
    it(`${name}: ${ErrorClass.name}`, async () => {
      const { error, target } = await tryServe(options, given);
      assertInstanceOf(error, ErrorClass);
      assertMatch(error.message, /^Cannot |^Unknown option | must be /);
      assertMatch(error.message, message);
      assertEquals(target, undefined, "it listened first");
    });
  }

  it("neither a handler nor callbacks: TypeError", async () => {
    const listen: Listen = () => Promise.reject(new Error("it listened first"));
    const served = await watch(WebSocketServer.listen(listen, {}, undefined)).untilSettled();
    assertInstanceOf(served.reason, TypeError);
    assertMatch(served.reason.message, /without a handler.*open, message, ping, drain, close/);
  });
});

describe("options of a server that can be", () => {
  it("none but a handler: port 8080 of all addresses", async () => {
    const { error, target } = await tryServe({});
    assertEquals([error, target], [undefined, { hostname: "0.0.0.0", port: 8080 }]);
  });

  it("a path", async () => {
    assertEquals((await tryServe({ path: "/tmp/a" })).target, { path: "/tmp/a" });
  });

  it("a port and a host name", async () => {
    const { target } = await tryServe({ port: 0, hostname: "::1" });
    assertEquals(target, { hostname: "::1", port: 0 });
    assertEquals((await tryServe({ port: 65535 })).error, undefined);
  });

  it("any one of the callbacks instead of a handler", async () => {
    for (const name of ["open", "message", "drain", "close"]) {
      assertEquals((await tryServe({ [name]() {} }, undefined)).target?.constructor, Object);
    }
  });

  it("no keepAlive, and each policy", async () => {
    assertEquals((await tryServe({ keepAlive: false })).error, undefined);
    for (const sendQueueOverflow of ["close", "drop", "wait"]) {
      assertEquals((await tryServe({ limits: { sendQueueOverflow } })).error, undefined);
    }
    for (const origin of ["same", "any", [], ["https://a.example"], () => true]) {
      assertEquals((await tryServe({ origin })).error, undefined);
    }
  });
});

describe("a listener that fails", () => {
  it("has serve() reject with its error", async () => {
    const failure = new Error("no");
    const served = watch(
      WebSocketServer.listen(() => Promise.reject(failure), {} as Options, handler),
    );
    await served.untilSettled();
    assert(served.reason === failure);
  });
});

type Running = { conn: ServerConnection; server: Server };

/** Calls whose options are wrong; that they throw for whatever is wrong: `options/options_test.ts`. */
const CALLS: Record<string, (running: Running, options: object) => unknown> = {
  send: ({ conn }, options) => conn.send("x", options),
  sendStream: ({ conn }, options) => conn.sendStream("text", streamOf("x"), options),
  ping: ({ conn }, options) => conn.ping(options),
  close: ({ conn }, options) => conn.close(options),
  subscribe: ({ conn }, options) => conn.subscribe("news", options),
  publish: ({ server }, options) => server.publish("news", "x", options),
  shutdown: ({ server }, options) => server.shutdown(options),
};

describe("the options of a call", () => {
  for (const [name, call] of Object.entries(CALLS)) {
    it(`are refused where they are wrong, and nothing is done: ${name}`, () =>
      withConnection({}, async ({ server: harness, client, conn }) => {
        const running = { conn, server: harness.server };
        assertThrows(() => call(running, { code: 4001 }), TypeError, `${name}.code`);
        assertThrows(() => call(running, { signal: 1, compress: 1, closeCode: "1" }), TypeError);
        assertEquals([conn.state, [...conn.topics]], ["open", []]);
        assertEquals(conn.stats().messagesSent, 0);
        await conn.send("still here");
        assertEquals(await client.readMessage(), "still here");
      }));
  }
});
