import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { AttemptInfo, PerAttempt } from "../../src/client/options.ts";
import { ConnectError } from "../../src/errors.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { ReconnectingClient, ScriptedServer } from "./scripted_server.ts";

const URL_TEXT = "ws://example.com/";

/** Functions for an option, of which none gives it. */
const FAILING: [what: string, give: () => never][] = [
  ["that throws", () => {
    throw new TypeError("no token");
  }],
  ["that rejects", () => Promise.reject(new TypeError("no token")) as never],
];

describe("the URL and the headers of connect(), as functions", () => {
  for (const isAsync of [false, true]) {
    it(`are asked, ${isAsync ? "and awaited" : "for values"}`, async () => {
      const server = new ScriptedServer();
      const given: AttemptInfo[] = [];
      const asked: string[] = [];
      const give = <T>(name: string, value: T) => (info: AttemptInfo) => {
        asked.push(name);
        given.push(info);
        return isAsync ? Promise.resolve(value) : value;
      };
      const { request, conn } = await server.open(give("URL", new URL("/room", URL_TEXT)), {
        headers: give("headers", { Authorization: "Bearer 1" }),
      });
      const authorization = request.headers.get("authorization");
      assertEquals([request.line, authorization], ["GET /room HTTP/1.1", "Bearer 1"]);
      conn.abort();
      assertEquals(asked, ["URL", "headers"]);
      for (const { signal } of given) assertEquals(signal.aborted, false);
      assertEquals(server.clock.pending, []);
    });
  }

  for (const [what, give] of FAILING) {
    for (const name of ["URL", "headers"]) {
      it(`fail the attempt by one ${what}: the ${name}`, async () => {
        const server = new ScriptedServer();
        const connecting = name === "URL"
          ? server.connect(give)
          : server.connect(URL_TEXT, { headers: give });
        const { reason } = await watch(connecting).untilSettled();
        assert(reason instanceof ConnectError, String(reason));
        assertEquals(reason.code, "EOPTION");
        assertEquals((reason.cause as Error).message, "no token");
        assert(reason.message.includes(name), reason.message);
        assertEquals([server.dialled, server.clock.pending], [[], []]);
      });
    }
  }

  for (const [what, url] of [["nothing", undefined], ["no URL", "example"], ["http", "ftp://a"]]) {
    it(`give no WebSocket by ${what}`, async () => {
      const server = new ScriptedServer();
      const connecting = server.connect((() => url) as PerAttempt<string>);
      const { reason } = await watch(connecting).untilSettled();
      assert(reason instanceof TypeError, String(reason));
      assertEquals(server.dialled, []);
    });
  }

  for (const name of ["URL", "headers"]) {
    it(`count for the time of the attempt: the ${name}`, async () => {
      const server = new ScriptedServer();
      let signal: AbortSignal | undefined;
      const never = (info: AttemptInfo) => {
        signal = info.signal;
        return new Promise<never>(() => {});
      };
      const connecting = name === "URL"
        ? server.connect(never, { connectTimeoutMs: 300 })
        : server.connect(URL_TEXT, { headers: never, connectTimeoutMs: 300 });
      const watched = watch(connecting);
      await settle();
      await server.clock.advance(299);
      assertEquals([watched.state, signal!.aborted], ["pending", false]);
      await server.clock.advance(1);
      const { reason } = await watched.untilSettled();
      assert(reason instanceof ConnectError, String(reason));
      assertEquals([reason.code, signal!.aborted], ["ETIMEDOUT", true]);
    });

    it(`are given up where the signal aborts: the ${name}`, async () => {
      const server = new ScriptedServer();
      const controller = new AbortController();
      const never = () => new Promise<never>(() => {});
      const watched = watch(
        name === "URL"
          ? server.connect(never, { signal: controller.signal })
          : server.connect(URL_TEXT, { headers: never, signal: controller.signal }),
      );
      await settle();
      const why = new Error("enough");
      controller.abort(why);
      assertStrictEquals((await watched.untilSettled()).reason, why);
      assertEquals(server.clock.pending, []);
    });
  }

  it("are not asked where the signal has aborted", async () => {
    const server = new ScriptedServer();
    let asked = 0;
    const url = () => `${URL_TEXT}${asked++}`;
    await watch(server.connect(url, { signal: AbortSignal.abort() })).untilSettled();
    assertEquals(asked, 0);
  });
});

const refuse = () => Promise.reject(new ConnectError("ECONNREFUSED", "nobody"));

describe("reconnecting()", () => {
  it("asks for the URL and the headers anew for each attempt", async () => {
    let count = 0;
    const client = new ReconnectingClient(
      { headers: async () => await Promise.resolve({ "X-Token": `${count}` }) },
      async () => await Promise.resolve(`${URL_TEXT}${++count}`),
    );
    for (let i = 1; i <= 3; i++) {
      const { peer, request, conn } = await client.openNext();
      const { line, headers } = request;
      assertEquals([line, headers.get("x-token")], [`GET /${i} HTTP/1.1`, `${i}`]);
      peer.socket.reset();
      await conn.closed;
    }
    await client.conns.return();
  });

  it("goes on where a token could not be fetched", async () => {
    let fails = true;
    const headers = () => fails ? Promise.reject(new TypeError("fetch failed")) : {};
    const { server, conns, retries } = new ReconnectingClient({ headers });
    const next = watch(conns.next());
    await settle();
    await server.clock.advance(500);
    assertEquals(retries.map(({ delayMs }) => delayMs), [500, 1000]);
    assert(retries[0].cause instanceof ConnectError);
    assertEquals(retries[0].cause.code, "EOPTION");
    fails = false;
    await server.clock.advance(1000);
    await (await server.next()).accept();
    assertEquals((await next.untilSettled()).value!.done, false);
    void conns.return();
  });

  for (const isAsync of [false, true]) {
    it(`waits for as long as delayMs says${isAsync ? ", by a promise" : ""}`, async () => {
      const told: number[] = [];
      const { server, conns, retries } = new ReconnectingClient({
        delayMs: ({ delayMs, attempt }) => {
          told.push(delayMs);
          const own = attempt === 1 ? 0 : 77 * attempt;
          return isAsync ? Promise.resolve(own) : own;
        },
      });
      server.dialling = refuse;
      void conns.next();
      await settle();
      await server.clock.advance(0);
      await server.clock.advance(153);
      assertEquals(server.dialled.length, 2);
      await server.clock.advance(1);
      assertEquals(server.dialled.length, 3);
      assertEquals(told, [500, 1000, 2000]);
      assertEquals(retries.map(({ delayMs }) => delayMs), [0, 154, 231]);
      void conns.return();
    });
  }

  const BAD: [what: string, delayMs: () => unknown][] = [
    ["throws", FAILING[0][1]],
    ["rejects", FAILING[1][1]],
    ...[undefined, null, NaN, -1, -0.5, Infinity, -Infinity, "1", 1n].map((
      value,
    ): [string, () => unknown] => [`gives ${String(value)}`, () => value]),
  ];
  for (const [what, delayMs] of BAD) {
    it(`waits as ever, and reports it, where delayMs ${what}`, async () => {
      const { server, conns, retries, errors } = new ReconnectingClient({
        delayMs: delayMs as () => number,
      });
      server.dialling = refuse;
      void conns.next();
      await settle();
      assertEquals(retries.map((retry) => retry.delayMs), [500]);
      assertEquals(errors.length, 1);
      if (what.startsWith("gives")) {
        const { message } = errors[0] as Error;
        assert(
          message.startsWith("delayMs must return a finite number of milliseconds from 0 on, got "),
          message,
        );
      }
      void conns.return();
    });
  }

  it("waits for a number that is no integer, rounded up, and for the longest past it", async () => {
    const given = [0.25, 1.5, 0, -0, Number.MIN_VALUE, 2 ** 31, Number.MAX_VALUE];
    const { server, conns, retries, errors } = new ReconnectingClient({
      delayMs: ({ attempt }) => given[attempt - 1],
    });
    server.dialling = refuse;
    void conns.next();
    for (let i = 0; i < given.length; i++) {
      await settle();
      conns.tryNow();
    }
    await settle();
    const delays = retries.slice(0, given.length).map(({ delayMs }) => delayMs + 0);
    assertEquals(delays, [1, 2, 0, 0, 1, 2 ** 31 - 1, 2 ** 31 - 1]);
    assertEquals(errors.length, retries.length - given.length);
    void conns.return();
  });

  it("ends where its signal aborts while delayMs is awaited, or in onRetry", async () => {
    for (const place of ["delayMs", "onRetry"]) {
      const controller = new AbortController();
      const { server, conns } = new ReconnectingClient({
        signal: controller.signal,
        ...(place === "delayMs"
          ? { delayMs: () => new Promise<never>(() => {}) }
          : { onRetry: () => controller.abort() }),
      });
      server.dialling = refuse;
      const next = watch(conns.next());
      await settle();
      controller.abort();
      assertEquals((await next.untilSettled()).value, { done: true, value: undefined });
      assertEquals(server.clock.pending, []);
    }
  });

  it("tries at once where it is told to, while it waits", async () => {
    const { server, conns, retries } = new ReconnectingClient();
    server.dialling = refuse;
    void conns.next();
    await settle();
    assertEquals([server.dialled.length, retries.length], [1, 1]);
    conns.tryNow();
    await settle();
    // It goes on doubling.
    assertEquals(retries.map(({ delayMs }) => delayMs), [500, 1000]);
    assertEquals(server.dialled.length, 2);
    await server.clock.advance(999);
    assertEquals(server.dialled.length, 2);
    await server.clock.advance(1);
    assertEquals(server.dialled.length, 3);
    void conns.return();
  });

  it("tries again at once where it was told to during an attempt that failed", async () => {
    const { server, conns } = new ReconnectingClient();
    let fail: (() => void) | undefined;
    server.dialling = () =>
      new Promise((_, reject) => {
        fail = () => reject(new ConnectError("ETIMEDOUT", "nobody"));
      });
    void conns.next();
    await settle();
    conns.tryNow();
    fail!();
    await settle(4);
    assertEquals(server.dialled.length, 2);
    fail!();
    await settle(4);
    assertEquals(server.dialled.length, 2, "only once");
    void conns.return();
  });

  it("waits as ever where it was told to try while a connection was open", async () => {
    const client = new ReconnectingClient();
    const { server, conns } = client;
    const { peer, conn } = await client.openNext();
    conns.tryNow();
    peer.socket.reset();
    await conn.closed;
    void conns.next();
    await settle(4);
    assertEquals(server.dialled.length, 1);
    await server.clock.advance(500);
    assertEquals(server.dialled.length, 2);
    void conns.return();
  });
});
