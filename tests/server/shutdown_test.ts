import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Listen } from "../../src/transport/byte_channel.ts";
import type { CloseInfo, ShutdownOptions } from "../../src/server/mod.ts";
import type { Connection } from "../../src/server/mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { SpreadClose } from "../../src/server/spread_close.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { MemoryListener } from "../support/memory_listener.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

for (const { name, withServer } of TRANSPORTS) {
  describe(`shutdown() over ${name}`, () => {
    it("closes the connections with 1001, and waits for them", () => {
      const ends: CloseInfo[] = [];
      return withServer({ close: (_, info) => void ends.push(info) }, async (server) => {
        const clients = [await server.open(), await server.open()];
        const done = watch(server.server.shutdown());
        const finished = watch(server.server.finished);
        for (const client of clients) {
          assertEquals(await client.readClose(), [1001, ""]);
          assertEquals([done.state, finished.state], ["pending", "pending"]);
          client.sendClose(1001);
          await client.finish();
        }
        await watch(server.server.shutdown()).untilSettled();
        await settle(1);
        assertEquals([done.state, finished.state], ["resolved", "resolved"]);
        assertEquals(server.server.connections.size, 0);
        const end = { closeCode: 1001, reason: "", wasClean: true, initiator: "local" } as const;
        assertEquals(ends, [end, end]);
      });
    });

    it("takes a code and a reason", () =>
      withServer({}, async (server) => {
        const client = await server.open();
        void server.server.shutdown({ closeCode: 1012, reason: "Back soon" });
        assertEquals(await client.readClose(), [1012, "Back soon"]);
      }));

    it("changes nothing the second time, but for its times", () =>
      withServer({}, async (server) => {
        const client = await server.open();
        const first = server.server.shutdown();
        const second = server.server.shutdown({ closeCode: 3000 });
        assert(first === second && first === server.server.finished);
        await client.answerClose(1001);
      }));

    it("is done at once where nobody is connected", () =>
      withServer({}, async (server) => {
        assertEquals(
          (await watch(server.server.shutdown()).untilSettled()).state,
          "resolved",
        );
      }));

    it("refuses new handshakes and requests with 503 meanwhile, with keepListening", () => {
      let calls = 0;
      const hook = () => (calls++, new Response());
      return withServer({ fetch: hook }, async (server) => {
        const client = await server.open();
        void server.server.shutdown({ keepListening: true });
        for (const request of [upgradeRequest(), httpRequest()]) {
          const { status, body } = await server.fetch(request);
          assertEquals([status, body], [503, "The server is shutting down\n"]);
        }
        assertEquals(calls, 0);
        client.sendClose(1001);
        await client.readClose();
      });
    });

    it("drops clients that have sent nothing", () =>
      withServer({}, async (server) => {
        const idle = await server.connect();
        // Known to the server, as others behind it are.
        await server.open().then((client) => client.socket.reset());
        const done = watch(server.server.shutdown()).untilSettled();
        await idle.readToEnd();
        await done;
      }));

    it("refuses with 503 the request that was begun before", () =>
      withServer({}, async (server) => {
        const request = upgradeRequest();
        const client = await server.request(request.slice(0, 10));
        await (await server.open()).socket.reset();
        const done = watch(server.server.shutdown());
        await settle();
        assertEquals(done.state, "pending");
        client.send(request.slice(10));
        assertEquals((await client.readResponse()).status, 503);
        await client.finish();
      }));

    it("refuses with 503 where the hook is awaited", () => {
      const gates: (() => void)[] = [];
      const upgrade = () => new Promise<object>((resolve) => void gates.push(() => resolve({})));
      return withServer({ upgrade }, async (server) => {
        const client = await server.request(upgradeRequest());
        await eventually("the hook to be called", () => gates.length === 1);
        void server.server.shutdown();
        gates[0]();
        assertEquals((await client.readResponse()).status, 503);
        await client.finish();
      });
    });

    it("lets a response come to its end", () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      return withServer({ fetch: () => new Response(readable) }, async (server) => {
        const client = await server.request(httpRequest());
        await client.readHead();
        const done = watch(server.server.shutdown());
        const writer = writable.getWriter();
        await writer.write(new Uint8Array(10));
        void writer.close();
        assertEquals((await client.readToEnd()).length, 10);
        assertEquals(done.state, "pending");
        await client.finish();
        await done.untilSettled();
      });
    });

    it("ends the loops of handlers", () => {
      let loops = 0;
      const handler = async (conn: AsyncIterable<unknown>) => {
        for await (const _ of conn);
        loops++;
      };
      return withServer({ handler }, async (server) => {
        const client = await server.open();
        void server.server.shutdown();
        await client.readClose();
        await eventually("the handler to return", () => loops === 1);
      });
    });

    it("is what Symbol.asyncDispose does", () =>
      withServer({}, async (server) => {
        const client = await server.open();
        const disposed = watch(server.server[Symbol.asyncDispose]());
        assertEquals(await client.readClose(), [1001, ""]);
        assertEquals(disposed.state, "pending");
        client.sendClose(1001);
        await client.finish();
        assertEquals((await disposed.untilSettled()).state, "resolved");
      }));

    const BAD: [ShutdownOptions, typeof RangeError | typeof TypeError][] = [
      [{ closeCode: 1005 }, RangeError],
      [{ closeCode: 999 }, RangeError],
      [{ closeCode: NaN }, RangeError],
      [{ reason: "x".repeat(124) }, TypeError],
      [{ timeoutMs: 0 }, RangeError],
      [{ timeoutMs: -1 }, RangeError],
      [{ timeoutMs: NaN }, RangeError],
      [{ timeoutMs: 2 ** 31 }, RangeError],
      [{ timeoutMs: "5" as never }, TypeError],
      [{ keepListening: 1 as never }, TypeError],
      [{ keepListening: null as never }, TypeError],
    ];
    it("throws where its options can't be, and goes on serving", () =>
      withServer({}, async (server) => {
        for (const [options, ErrorClass] of BAD) {
          const [name] = Object.keys(options);
          const error = assertThrows(() => server.server.shutdown(options), ErrorClass);
          assertMatch(error.message, new RegExp(`^(?:Cannot close |${name} must be )`));
        }
        assertEquals((await server.open()).isClosed, false);
      }));
  });

  describe(`the signal of a server over ${name}`, () => {
    it("shuts it down", () => {
      const controller = new AbortController();
      return withServer({ signal: controller.signal }, async (server) => {
        const client = await server.open();
        controller.abort();
        await client.answerClose(1001);
        await watch(server.server.finished).untilSettled();
      });
    });

    it("may abort after the server has shut down", () => {
      const controller = new AbortController();
      return withServer({ signal: controller.signal }, async (server) => {
        await server.server.shutdown();
        controller.abort();
      });
    });

    it("keeps the server from starting where it has aborted", async () => {
      const reason = new Error("not today");
      const start = withServer({ signal: AbortSignal.abort(reason) }, () => Promise.resolve());
      const { state, reason: given } = await watch(start).untilSettled();
      assertEquals(state, "rejected");
      assert(given === reason);
    });
  });
}

describe("shutdown() in memory", () => {
  it("drops after 5 seconds those that have not closed", () =>
    withMemoryServer({ closeTimeoutMs: Infinity, keepAlive: false }, async (server) => {
      const clients = [await server.open(), await server.request(upgradeRequest().slice(0, 9))];
      const done = watch(server.server.shutdown());
      await clients[0].readClose();
      await server.clock.advance(4_999);
      assertEquals([done.state, ...clients.map((client) => client.isClosed)], [
        "pending",
        false,
        false,
      ]);
      await server.clock.advance(1);
      assertEquals(done.state, "resolved");
      assertEquals(clients.map((client) => client.isClosed), [true, true]);
      assertEquals(server.clock.pending, []);
    }));

  it("takes another time, and Infinity", async () => {
    const setup = { closeTimeoutMs: Infinity, keepAlive: false } as const;
    await withMemoryServer(setup, async (server) => {
      await server.open();
      void server.server.shutdown({ timeoutMs: 70 });
      assertEquals(server.clock.pending, [70]);
    });
    await withMemoryServer(setup, async (server) => {
      await server.open();
      void server.server.shutdown({ timeoutMs: Infinity });
      assertEquals(server.clock.pending, []);
    });
  });

  it("drops a response that does not come to its end", () => {
    let isCancelled = false;
    const body = new ReadableStream({ cancel: () => void (isCancelled = true) });
    return withMemoryServer({ fetch: () => new Response(body) }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      const done = watch(server.server.shutdown());
      await server.clock.advance(5_000);
      assertEquals([client.isClosed, done.state, isCancelled], [true, "resolved", true]);
    });
  });

  it("drops a client that connects meanwhile and sends nothing", () =>
    withMemoryServer({ handshakeTimeoutMs: Infinity }, async (server) => {
      const client = await server.open();
      const done = watch(server.server.shutdown());
      const idle = await server.connect();
      await client.close(1001);
      assertEquals(done.state, "pending");
      await server.clock.advance(5_000);
      assertEquals([idle.isClosed, done.state], [true, "resolved"]);
    }));

  it("does not end before the listener is closed, and drops what it accepted until then", () =>
    withMemoryServer({}, async (server) => {
      const done = watch(server.server.shutdown());
      const late = await server.connect();
      await settle();
      assertEquals([done.state, late.isClosed], ["resolved", true]);
      assertEquals(server.listener.isListening, false);
      assertEquals(server.clock.pending, []);
    }));

  it("is done where the signal aborts before the server listens", async () => {
    const controller = new AbortController();
    const listener = new MemoryListener();
    const listen: Listen = async (...target) => {
      const bound = await listener.listen(...target);
      controller.abort();
      return bound;
    };
    const options = { signal: controller.signal };
    const server = await WebSocketServer.listen(listen, options, () => {});
    const finished = await watch(server.finished).untilSettled();
    assertEquals([finished.state, listener.isListening], ["resolved", false]);
  });

  it("takes its listener off the signal", () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    return withMemoryServer({ signal }, async (server) => {
      assertEquals(listeners, 1);
      await server.server.shutdown();
      assertEquals(listeners, 0);
    });
  });
});

describe("a second shutdown", () => {
  const setup = { keepAlive: false, closeTimeoutMs: Infinity } as const;

  it("shortens the first, and closes at once what was to be closed later", () =>
    withMemoryServer(setup, async (server) => {
      const clients = [];
      for (let i = 0; i < 5; i++) clients.push(await server.open());
      const options = { closeCode: 1012, spreadMs: 100_000, timeoutMs: 50_000 };
      const done = watch(server.server.shutdown(options));
      await server.clock.advance(1000);
      // Another code would come too late for those that are closed already.
      void server.server.shutdown({ timeoutMs: 700, closeCode: 3000 });
      for (const client of clients) assertEquals(await client.readClose(), [1012, ""]);
      await server.clock.advance(699);
      assertEquals([done.state, server.server.connections.size], ["pending", 5]);
      await server.clock.advance(1);
      assertEquals([done.state, server.clock.pending], ["resolved", []]);
    }));

  it("does not lengthen it, nor does one without a time, such as that of await using", () =>
    withMemoryServer(setup, async (server) => {
      await server.open();
      const done = watch(server.server.shutdown({ timeoutMs: 700 }));
      await server.clock.advance(300);
      for (const options of [{ timeoutMs: 1000 }, { timeoutMs: Infinity }, {}, undefined]) {
        void server.server.shutdown(options);
        assertEquals(server.clock.pending, [400]);
      }
      await server.clock.advance(400);
      assertEquals(done.state, "resolved");
    }));

  it("ends one that has no end, and leaves it alone where it names no time", () =>
    withMemoryServer(setup, async (server) => {
      await server.open();
      const done = watch(server.server.shutdown({ timeoutMs: Infinity }));
      void server.server.shutdown();
      void server.server[Symbol.asyncDispose]();
      assertEquals(server.clock.pending, []);
      void server.server.shutdown({ timeoutMs: 10 });
      await server.clock.advance(10);
      assertEquals(done.state, "resolved");
    }));

  it("may come from what the first one does, and may end all", () => {
    const handler = async (conn: Connection) => {
      conn.signal.addEventListener("abort", () => {
        void shutDown({ timeoutMs: 10, spreadMs: 10 });
        for (const other of conns) other.abort();
      });
      conns.push(conn);
      await conn.closed;
    };
    const conns: Connection[] = [];
    let shutDown: (options: ShutdownOptions) => Promise<void>;
    return withMemoryServer({ ...setup, handler }, async (server) => {
      shutDown = (options) => server.server.shutdown(options);
      for (let i = 0; i < 3; i++) await server.open();
      const done = watch(shutDown({ spreadMs: 1000, timeoutMs: 1000 }));
      await server.clock.advance(1000);
      await done.untilSettled();
      assertEquals(server.clock.pending, []);
    });
  });

  it("changes nothing when all is over", () =>
    withMemoryServer(setup, async (server) => {
      await server.server.shutdown();
      void server.server.shutdown({ timeoutMs: 1, keepListening: false });
      assertEquals(server.clock.pending, []);
    }));

  it("stops listening where the first went on, if it says so", () =>
    withMemoryServer(setup, async (server) => {
      await server.open();
      void server.server.shutdown({ keepListening: true });
      await settle();
      void server.server.shutdown({ timeoutMs: 100 });
      await settle();
      assertEquals(server.listener.isListening, true);
      void server.server.shutdown({ keepListening: false });
      await settle();
      assertEquals(server.listener.isListening, false);
    }));
});

describe("a shutdown that is spread", () => {
  it("closes each connection at its moment, and none twice", async () => {
    const clock = new FakeClock();
    const began = clock.now();
    const moments = [0.5, 0, 0.999, 0.25];
    const closed: string[] = [];
    const connections = moments.map((moment) => ({
      close(status: unknown) {
        assertEquals(status, { closeCode: 1012, reason: "" });
        closed.push(`${moment} at ${clock.now() - began}`);
      },
    } as unknown as Connection));
    const left = [...moments];
    const status = { closeCode: 1012, reason: "" };
    new SpreadClose(connections, status, clock, () => left.shift()!).close(1000);
    assertEquals(closed, ["0 at 0"]);
    await clock.advance(2000);
    assertEquals(closed, ["0 at 0", "0.25 at 250", "0.5 at 500", "0.999 at 999"]);
    assertEquals(clock.pending, []);
  });

  it("closes all within the time, refuses others meanwhile, and then drops who stays", () =>
    withMemoryServer({ keepAlive: false, closeTimeoutMs: Infinity }, async (server) => {
      const clients = [];
      for (let i = 0; i < 20; i++) clients.push(await server.open());
      const options = { spreadMs: 10_000, timeoutMs: 3000, keepListening: true };
      const done = watch(server.server.shutdown({ closeCode: 1012, ...options }));
      assertEquals((await server.fetch(upgradeRequest())).status, 503);
      await server.clock.advance(10_000);
      for (const client of clients) assertEquals(await client.readClose(), [1012, ""]);
      for (const client of clients.slice(1)) {
        client.sendClose(1012);
        await client.finish();
      }
      await server.clock.advance(2999);
      assertEquals([server.server.connections.size, done.state], [1, "pending"]);
      await server.clock.advance(1);
      assertEquals([server.server.connections.size, done.state], [0, "resolved"]);
    }));

  it("closes the rest sooner where it is told to, and none later", async () => {
    const clock = new FakeClock();
    const began = clock.now();
    const closed: string[] = [];
    const connections = ["a", "b", "c", "d"].map((name) => ({
      close: () => void closed.push(`${name} at ${clock.now() - began}`),
    } as unknown as Connection));
    const left = [0.1, 0.3, 0.9, 0.8, 0.5, 0.99, 0.5];
    const status = { closeCode: 1012, reason: "" };
    const spread = new SpreadClose(connections, status, clock, () => left.shift()!);
    spread.close(1000);
    await clock.advance(200);
    // "b" was to be closed at 300, and is not closed at 450.
    spread.close(500);
    await clock.advance(2000);
    const [first, ...others] = closed;
    assertEquals(first, "a at 100");
    assertEquals(new Set(others).size, 3);
    assert(others.includes("b at 300"), others.join());
    assertEquals(left, []);
    assertEquals(clock.pending, []);
  });

  it("is over as soon as all have left", () =>
    withMemoryServer({ keepAlive: false }, async (server) => {
      const clients = [await server.open(), await server.open()];
      const done = watch(server.server.shutdown({ spreadMs: 100_000 }));
      for (const client of clients) client.socket.reset();
      await settle();
      assertEquals([done.state, server.clock.pending], ["resolved", []]);
    }));

  it("takes a span that has an end, and no other", () =>
    withMemoryServer({}, (server) => {
      for (const spreadMs of [-1, 1.5, NaN, Infinity, 2 ** 31]) {
        const error = assertThrows(() => server.server.shutdown({ spreadMs }), RangeError);
        assertEquals(
          error.message,
          "spreadMs must be an integer number of milliseconds from 0 to 2,147,483,647, " +
            `got ${spreadMs}`,
        );
      }
      return Promise.resolve();
    }));
});
