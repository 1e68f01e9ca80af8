import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import type { Listen, ListenTarget } from "../../src/transport/byte_channel.ts";
import type { ConnectionCallbacks, Handler, ServeOptions } from "../../src/server/mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { watch } from "../support/watch.ts";
import { LIMITS, optionsWith } from "./limits_table.ts";

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
const SIZES = LIMITS.filter(({ unit }) => unit !== "ms");
const DURATIONS = LIMITS.filter(({ unit }) => unit === "ms");
const FUNCTIONS = ["upgrade", "fetch", "onError", "onEvent", "open", "message", "drain", "close"];

describe("options of a server that are sizes", () => {
  for (const { name, min = 0 } of SIZES) {
    it(`${name} is an integer from ${min} on, or Infinity`, async () => {
      for (const value of [min, min + 1, Number.MAX_SAFE_INTEGER, Infinity, undefined]) {
        assertEquals((await tryServe(optionsWith(name, value))).error, undefined);
      }
      for (const value of [min - 1, ...NO_NUMBERS]) {
        const { error, target } = await tryServe(optionsWith(name, value));
        assertInstanceOf(error, errorClassFor(value));
        assertEquals(
          error.message,
          `${name} must be an integer of at least ${min}, or Infinity, got ${shown(value)}`,
        );
        assertEquals(target, undefined, "it listened first");
      }
    });
  }
});

describe("options of a server that are durations", () => {
  for (const { name } of DURATIONS) {
    it(`${name} is what a timer can wait, or Infinity`, async () => {
      for (const value of [1, 2 ** 31 - 1, Infinity, undefined]) {
        assertEquals((await tryServe(optionsWith(name, value))).error, undefined);
      }
      for (const value of [0, 2 ** 31, ...NO_NUMBERS]) {
        const { error, target } = await tryServe(optionsWith(name, value));
        assertInstanceOf(error, errorClassFor(value));
        assertEquals(
          error.message,
          `${name} must be an integer number of milliseconds from 1 to 2,147,483,647, or Infinity, ` +
            `got ${shown(value)}`,
        );
        assertEquals(target, undefined, "it listened first");
      }
    });
  }
});

describe("options of a server that are functions", () => {
  for (const name of FUNCTIONS) {
    it(`${name} is nothing else`, async () => {
      for (const value of ["text", null, 1, {}, false]) {
        const { error, target } = await tryServe({ [name]: value }, undefined);
        assertInstanceOf(error, TypeError);
        assertEquals(error.message, `${name} must be a function, got ${shown(value)}`);
        assertEquals(target, undefined, "it listened first");
      }
    });
  }
});

/** A broker, as far as its methods go. */
const NO_KEEPER = Object.fromEntries(
  ["start", "publish", "subscribe", "unsubscribe", "close"].map((name) => [name, () => {}]),
);

const BAD: [
  name: string,
  options: unknown,
  ErrorClass: typeof TypeError | typeof RangeError,
  message: RegExp,
  handler?: unknown,
][] = [
  ["no options", undefined, TypeError, /^the options of serve must be an object.*, got undefined$/],
  ["null for options", null, TypeError, /^the options of serve must be an object.*, got null$/],
  ["a port for options", 8080, TypeError, /^the options of serve must be an object.*, got 8080$/],
  ["an unknown limit", { limits: { maxMessageLength: 1 } }, TypeError, /maxMessageLength.*maxMes/],
  ["an inherited name as a limit", { limits: { toString: 1 } }, TypeError, /limits.toString/],
  [
    "a prototype as a limit",
    { limits: Object.fromEntries([["__proto__", 1]]) },
    TypeError,
    /limits.__proto__/,
  ],
  ["an unknown rate", { rateLimits: { messages: 1 } }, TypeError, /rateLimits.messages: .*PerSec/],
  [
    "an unknown time",
    { keepAlive: { interval: 1 } },
    TypeError,
    /keepAlive.interval: .*intervalMs/,
  ],
  ["an unknown size", { memoryBudget: { max: 1 } }, TypeError, /memoryBudget.max: .*size,/],
  [
    "null for rateLimits",
    { rateLimits: null },
    TypeError,
    /^rateLimits must be an object.*, got null$/,
  ],
  [
    "a number for rateLimits",
    { rateLimits: 5 },
    TypeError,
    /^rateLimits must be an object.*, got 5$/,
  ],
  [
    "true for memoryBudget",
    { memoryBudget: true },
    TypeError,
    /^memoryBudget must be false or an object.*, got true$/,
  ],
  [
    "null for memoryBudget",
    { memoryBudget: null },
    TypeError,
    /^memoryBudget must be false or an object.*, got null$/,
  ],
  [
    "another reaction to a rate",
    { rateLimits: { onExceeded: "drop" } },
    TypeError,
    /rateLimits.onExceeded must be "pause" or "close", got "drop"/,
  ],
  ["null for limits", { limits: null }, TypeError, /^limits must be an object.*, got null$/],
  ["a number for limits", { limits: 5 }, TypeError, /^limits must be an object.*, got 5$/],
  [
    "an unknown overflow policy",
    { limits: { sendQueueOverflow: "ignore" } },
    TypeError,
    /limits.sendQueueOverflow must be "close", "drop" or "wait", got "ignore"/,
  ],
  [
    "a number for resume",
    { resume: 5 },
    TypeError,
    /^resume must be a boolean or an object.*, got 5$/,
  ],
  [
    "null for resume",
    { resume: null },
    TypeError,
    /^resume must be a boolean or an object.*, got null$/,
  ],
  [
    "a text for resume",
    { resume: "yes" },
    TypeError,
    /^resume must be a boolean or an object.*, got "yes"$/,
  ],
  ["an unknown window", { resume: { window: 1 } }, TypeError, /resume.window: .*windowMs/],
  [
    "a list for resume.topics",
    { resume: { topics: ["x"] } },
    TypeError,
    /resume.topics must be a function, got an array of 1/,
  ],
  ["a broker that keeps nothing", { resume: true, broker: NO_KEEPER }, TypeError, /no method keep/],
  [
    "true for keepAlive",
    { keepAlive: true },
    TypeError,
    /^keepAlive must be false or an object.*, got true$/,
  ],
  [
    "null for keepAlive",
    { keepAlive: null },
    TypeError,
    /^keepAlive must be false or an object.*, got null$/,
  ],
  [
    "an unknown origin policy",
    { origin: "none" },
    TypeError,
    /^origin must be "same".*, got "none"$/,
  ],
  ["an origin no browser sends", { origin: ["https://a.example/"] }, TypeError, /a\.example/],
  ["an origin of WebSocket", { origin: ["wss://a.example"] }, TypeError, /wss/],
  [
    "a port that is too high",
    { port: 65536 },
    RangeError,
    /^port must be an integer from 0 to 65,535, got 65536$/,
  ],
  ["a negative port", { port: -1 }, RangeError, /port must be.*, got -1$/],
  ["a fractional port", { port: 80.5 }, RangeError, /port must be.*, got 80\.5$/],
  ["NaN for a port", { port: NaN }, RangeError, /port must be.*, got NaN$/],
  ["a text for a port", { port: "80" }, TypeError, /port must be.*, got "80"$/],
  ["an empty host name", { hostname: "" }, TypeError, /hostname must be.*, got ""$/],
  ["a number for a host name", { hostname: 1 }, TypeError, /hostname must be.*, got 1$/],
  ["an empty path", { path: "" }, TypeError, /^path must be.*, got ""$/],
  ["a path with NUL", { path: "a\0b" }, TypeError, /^path must be a non-empty file name/],
  ["a path and a port", { path: "/tmp/a", port: 80 }, TypeError, /path and a port/],
  ["a path and a host name", { path: "/tmp/a", hostname: "a" }, TypeError, /path and a port/],
  ["tls without a key", { tls: { cert: "" } }, TypeError, /tls.*PEM/],
  ["tls of bytes", { tls: { cert: new Uint8Array(), key: "" } }, TypeError, /tls.*PEM/],
  ["null for tls", { tls: null }, TypeError, /^tls must be an object.*, got null$/],
  [
    "a controller for the signal",
    { signal: new AbortController() },
    TypeError,
    /^signal must be an AbortSignal/,
  ],
  ["null for the signal", { signal: null }, TypeError, /^signal must be an AbortSignal/],
  ["a text for the handler", {}, TypeError, /^handler must be a function, got "text"$/, "text"],
  ["null for the handler", {}, TypeError, /^handler must be a function, got null$/, null],
  ["a handler and a callback", { close() {} }, TypeError, /handler and callbacks/],
];

describe("options of a server that can't be", () => {
  for (const [name, options, ErrorClass, message, given = handler] of BAD) {
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
    const served = watch(WebSocketServer.listen(listen, {}, undefined));
    await served.untilSettled();
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
