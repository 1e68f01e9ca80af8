import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "node:test";
import { toConnectError } from "../../src/runtimes/shared/connect_error.ts";
import { attemptDelayMs, createDial } from "../../src/runtimes/shared/dial.ts";
import type { ByteChannel, DialTarget } from "../../src/transport/byte_channel.ts";
import { ConnectError } from "../../src/errors.ts";
import { unexpected } from "./dialled.ts";
import { HeldTimers } from "./held_timers.ts";

/** One attempt to connect, which the test decides about. */
interface Attempt {
  hostname: string;
  signal: AbortSignal;
  connect(): ByteChannel;
  fail(code: string): void;
}

/** Dials a name with these addresses. */
function dialName(
  addresses: string[],
  signal: AbortSignal = new AbortController().signal,
): { promise: Promise<ByteChannel>; attempts: Attempt[] } {
  const attempts: Attempt[] = [];
  const dial = createDial(
    (target, signal, onChannel) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      assert("port" in target);
      assertEquals(target.port, 80);
      attempts.push({
        hostname: target.hostname,
        signal,
        connect() {
          const channel = {} as ByteChannel;
          onChannel(channel);
          resolve();
          return channel;
        },
        fail: (code) => reject(Object.assign(new Error(code), { code })),
      });
      return promise;
    },
    (hostname) => {
      assertEquals(hostname, "example.com");
      return Promise.resolve(addresses.map((address) => {
        return { address, family: address.includes(":") ? 6 : 4 };
      }));
    },
  );
  return { promise: dial({ hostname: "example.com", port: 80 }, unexpected, signal), attempts };
}

async function untilLength(list: unknown[], length: number): Promise<void> {
  while (list.length < length) await Promise.resolve();
}

describe("dial() of a name", () => {
  const test = (name: string, run: (timers: HeldTimers) => Promise<void>) =>
    it(name, async () => {
      const timers = new HeldTimers(attemptDelayMs);
      try {
        await run(timers);
        assertEquals(timers.count, 0);
      } finally {
        timers.restore();
      }
    });

  test("takes the first address that answers", async (timers) => {
    const { promise, attempts } = dialName(["::1", "127.0.0.1"]);
    await untilLength(attempts, 1);
    assertEquals(timers.count, 1);
    const channel = attempts[0].connect();
    assertStrictEquals(await promise, channel);
    assertStrictEquals(channel.handler, unexpected);
    assertEquals(attempts.map(({ hostname }) => hostname), ["::1"]);
  });

  test("takes the next address at once where one fails", async () => {
    const { promise, attempts } = dialName(["::1", "127.0.0.1"]);
    await untilLength(attempts, 1);
    attempts[0].fail("ENETUNREACH");
    await untilLength(attempts, 2);
    const channel = attempts[1].connect();
    assertStrictEquals(await promise, channel);
  });

  test("tries the next address beside one that is slow, and gives up who comes last", async (timers) => {
    const { promise, attempts } = dialName(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    await untilLength(attempts, 1);
    timers.expire();
    assertEquals(attempts.map(({ hostname }) => hostname), ["192.0.2.1", "192.0.2.2"]);
    const channel = attempts[1].connect();
    assertEquals(attempts.map(({ signal }) => signal.aborted), [true, true]);
    assertStrictEquals(await promise, channel);
    attempts[0].fail("ETIMEDOUT");
  });

  test("tries the families by turns, beginning with the first", async (timers) => {
    const { promise, attempts } = dialName(["::1", "::2", "::3", "192.0.2.1"]);
    for (let i = 1; i <= 4; i++) {
      await untilLength(attempts, i);
      timers.expire();
    }
    assertEquals(attempts.map(({ hostname }) => hostname), ["::1", "192.0.2.1", "::2", "::3"]);
    attempts[3].connect();
    await promise;
  });

  test("fails as the first address did where all fail", async () => {
    const { promise, attempts } = dialName(["::1", "127.0.0.1"]);
    await untilLength(attempts, 1);
    attempts[0].fail("EHOSTUNREACH");
    await untilLength(attempts, 2);
    attempts[1].fail("ECONNREFUSED");
    const error = await assertRejects(() => promise, ConnectError);
    assertEquals(
      [error.code, error.message],
      ["EHOSTUNREACH", "Cannot connect to example.com:80: the host can't be reached"],
    );
  });

  test("fails where the name has no address", async () => {
    const { promise } = dialName([]);
    const error = await assertRejects(() => promise, ConnectError);
    assertEquals(error.code, "ENOTFOUND");
  });

  test("gives all addresses up when it is aborted", async (timers) => {
    const controller = new AbortController();
    const { promise, attempts } = dialName(["::1", "127.0.0.1", "::2"], controller.signal);
    await untilLength(attempts, 1);
    timers.expire();
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => promise), reason);
    assertEquals(attempts.map(({ signal }) => signal.aborted), [true, true]);
    for (const attempt of attempts) attempt.fail("ECANCELED");
  });

  test("is aborted while the name is resolved", async () => {
    const controller = new AbortController();
    const { promise, resolve } = Promise.withResolvers<[]>();
    const dial = createDial(() => Promise.reject(new Error("not to be called")), () => promise);
    const dialling = dial({ hostname: "example.com", port: 80 }, unexpected, controller.signal);
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => dialling), reason);
    resolve([]);
  });
});

describe("toConnectError()", () => {
  const cases: [DialTarget, object, string, string][] = [
    [
      { hostname: "::1", port: 80 },
      { code: "ETIMEDOUT" },
      "ETIMEDOUT",
      "[::1]:80: the server did not answer in time",
    ],
    [{ hostname: "a.b", port: 80 }, { code: "EPERM" }, "EACCES", "a.b:80: permission denied"],
    [
      { hostname: "a.b", port: 80 },
      { name: "NotCapable" },
      "EACCES",
      "a.b:80: permission denied: Deno needs --allow-net",
    ],
    [
      { path: "/a/b" },
      { name: "NotCapable" },
      "EACCES",
      "/a/b: permission denied: Deno needs --allow-read and --allow-write",
    ],
    [
      { hostname: "a.b", port: 80 },
      { code: "ENETUNREACH" },
      "ENETUNREACH",
      "a.b:80: the network can't be reached",
    ],
    [{ path: "/a/b" }, { code: "ENFILE" }, "EMFILE", "/a/b: too many files are open"],
    [{ path: "/a/b" }, { code: "EXYZ" }, "EXYZ", "/a/b: the system's error code is EXYZ"],
    [{ path: "/a/b" }, new Error("What?"), "EINVAL", "/a/b: What?"],
    [{ path: "/a/b" }, { code: "ERR_XYZ" }, "EINVAL", "/a/b: the system's error code is EINVAL"],
  ];
  for (const [target, cause, code, message] of cases) {
    it(`says that ${message}`, () => {
      const error = toConnectError(target, cause);
      assertEquals([error.code, error.message], [code, `Cannot connect to ${message}`]);
      assertStrictEquals(error.cause, cause);
    });
  }
});
