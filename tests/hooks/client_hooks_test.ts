import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { ReconnectOptions } from "../../src/client/reconnecting.ts";
import { ConnectError } from "../../src/errors.ts";
import { FakeClock, MemoryNetwork, type PairOptions } from "../../src/testing/mod.ts";
import { type ConnectedPair, connectedPair } from "../../src/testing/mod.ts";
import { captureConsole, failsOnce, HOOK_FAULTS, type HookFault } from "../support/hook_faults.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

const URL = "ws://server.example/";

type Pair = ConnectedPair<undefined>;

/** Has the client's callback called. */
const CALLBACKS: [name: string, act: (pair: Pair) => unknown][] = [
  ["open", () => {}],
  ["message", ({ server }) => server.send("a")],
  ["ping", ({ server }) => void server.ping()],
  ["drain", async ({ client, link }) => {
    link.toServer.stall();
    client.trySend("x".repeat(200_000));
    await settle();
    link.toServer.flow();
  }],
  ["close", ({ link }) => link.reset()],
];

for (const [name, act] of CALLBACKS) {
  describe(`${name} of a client, where it fails, is reported, and closes the connection`, () => {
    for (const fault of HOOK_FAULTS) {
      it(`as it ${fault.name}`, async () => {
        const errors: unknown[] = [];
        const pair = await connectedPair({
          server: { message() {} },
          client: {
            [name]: failsOnce(fault),
            limits: { sendHighWaterMark: 10 },
            onError: (error) => void errors.push(error),
          },
        });
        await act(pair);
        assertEquals((await pair.server.closed).closeCode, name === "close" ? 1006 : 1011);
        await pair.client.closed;
        await settle();
        assertEquals(errors.length, 1);
        assert(Object.is(errors[0], fault.error));
      });
    }
  });
}

/** What a client reports that reconnects to where nobody listens, three times at most. */
async function reconnectInVain(
  options: ReconnectOptions,
): Promise<{ errors: unknown[]; reason: unknown; retries: number }> {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  let retries = 0;
  const conns = new MemoryNetwork({ clock }).reconnecting(URL, {
    maxAttempts: 3,
    onError: (error) => void errors.push(error),
    ...options,
    onRetry: (retry) => {
      retries++;
      return options.onRetry?.(retry);
    },
  });
  const next = watch(conns.next());
  for (let i = 0; i < 3; i++) await clock.advance(120_000);
  await next.untilSettled();
  return { errors, reason: next.reason, retries };
}

describe("shouldReconnect, where it fails, is reported, and no", () => {
  for (const fault of HOOK_FAULTS) {
    it(`as it ${fault.name}`, async () => {
      const shouldReconnect = failsOnce(fault, true);
      const { errors, reason, retries } = await reconnectInVain({ shouldReconnect });
      assertInstanceOf(reason, ConnectError);
      assertEquals([errors.length, retries], [1, 0]);
      assert(Object.is(errors[0], fault.error));
    });
  }
});

describe("onRetry, where it fails, is reported, and changes nothing", () => {
  for (const fault of HOOK_FAULTS) {
    it(`as it ${fault.name}`, async () => {
      const { errors, reason, retries } = await reconnectInVain({ onRetry: failsOnce(fault) });
      assertInstanceOf(reason, ConnectError);
      assertEquals([errors.length, retries], [1, 2]);
      assert(Object.is(errors[0], fault.error));
    });
  }
});

describe("shouldReconnect", () => {
  it("may answer later", async () => {
    for (const answer of [true, false]) {
      const shouldReconnect = () => Promise.resolve(answer);
      const { errors, reason, retries } = await reconnectInVain({ shouldReconnect });
      assertInstanceOf(reason, ConnectError);
      assertEquals([errors, retries], [[], answer ? 2 : 0]);
    }
  });

  it("that gives neither true nor false says no, which is reported", async () => {
    for (const answer of [undefined, null, 0, 1, "yes", {}, [], () => true]) {
      for (const given of [answer, Promise.resolve(answer)]) {
        const shouldReconnect = () => given as boolean;
        const { errors, reason, retries } = await reconnectInVain({ shouldReconnect });
        assertInstanceOf(reason, ConnectError);
        assertEquals(retries, 0);
        assertEquals(errors.map((error) => error instanceof TypeError), [true]);
      }
    }
  });

  for (const how of ["never answers", "answers yes", "rejects"] as const) {
    it(`that ${how} connects to nothing once the signal has aborted`, async () => {
      const clock = new FakeClock();
      const controller = new AbortController();
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      const errors: unknown[] = [];
      let retries = 0, asked = 0;
      const conns = new MemoryNetwork({ clock }).reconnecting(URL, {
        signal: controller.signal,
        shouldReconnect: () => (asked++, promise),
        onRetry: () => void retries++,
        onError: (error) => void errors.push(error),
      });
      const next = watch(conns.next());
      await clock.advance(1);
      assertEquals([next.state, asked], ["pending", 1]);
      controller.abort();
      await next.untilSettled();
      assertEquals(next.value, { done: true, value: undefined });
      if (how === "answers yes") resolve(true);
      if (how === "rejects") reject(new Error("late"));
      await clock.advance(120_000);
      assertEquals([asked, retries, clock.pending], [1, 0, []]);
      assertEquals(errors.map(String), how === "rejects" ? ["Error: late"] : []);
    });
  }
});

describe("onLost, where it fails, is reported, and changes nothing", () => {
  for (const fault of HOOK_FAULTS) {
    it(`as it ${fault.name}`, async () => {
      const clock = new FakeClock();
      const network = new MemoryNetwork({ clock });
      const server = await network.serve({
        port: 80,
        resume: { windowSize: 0 },
        open: (conn) => void conn.subscribe("news"),
      });
      const errors: unknown[] = [];
      const conns = network.reconnecting(URL, {
        onLost: failsOnce(fault),
        onError: (error) => void errors.push(error),
      });
      const first = (await conns.next()).value!;
      server.publish("news", "a");
      assertEquals((await first[Symbol.asyncIterator]().next()).value, "a");
      await settle();
      const next = watch(conns.next());
      network.linkOf(first).reset();
      await settle();
      server.publish("news", "missed");
      await settle();
      await clock.advance(60_000);
      const second = (await next.untilSettled()).value!.value!;
      const messages = second[Symbol.asyncIterator]();
      await settle();
      server.publish("news", "b");
      assertEquals((await messages.next()).value, "b");
      assertEquals(errors.length, 1);
      assert(Object.is(errors[0], fault.error));
      await conns.return();
      await server.shutdown();
    });
  }
});

describe("onError of a client, where it fails itself, leaves both errors to the console", () => {
  for (const fault of HOOK_FAULTS) {
    it(`as it ${fault.name}`, async () => {
      const first = new Error("first");
      const printed = await captureConsole(async () => {
        const pair = await connectedPair({
          client: { message: () => Promise.reject(first), onError: failsOnce(fault) },
        });
        await pair.server.send("a");
        await pair.client.closed;
        await settle();
      });
      assertEquals(printed.length, 2);
      assert(Object.is(printed[0], first) && Object.is(printed[1], fault.error));
    });

    it(`as it ${fault.name}, where a client reconnects`, async () => {
      const first = new Error("first");
      const printed = await captureConsole(async () => {
        const options: ReconnectOptions = {
          onRetry: failsOnce({
            fail: () => {
              throw first;
            },
          } as unknown as HookFault),
          onError: failsOnce(fault),
        };
        assertEquals((await reconnectInVain(options)).retries, 2);
      });
      assertEquals(printed.length, 2);
      assert(Object.is(printed[0], first) && Object.is(printed[1], fault.error));
    });
  }
});

describe("the hooks of the testing tools, where they fail", () => {
  for (const fault of HOOK_FAULTS) {
    it(`onLink, as it ${fault.name}: connecting rejects`, async () => {
      const options: PairOptions = { onLink: failsOnce(fault) };
      const { state, reason } = await watch(connectedPair(options)).untilSettled();
      assertEquals(state, "rejected");
      assert(Object.is(reason, fault.error));
    });

    it(`onEvent of a pair, as it ${fault.name}: a report`, async () => {
      const errors: unknown[] = [];
      const { client, server } = await connectedPair({
        server: { onEvent: failsOnce(fault), onError: (error) => void errors.push(error) },
      });
      await settle();
      assertEquals([server.state, errors.length], ["open", 1]);
      assert(Object.is(errors[0], fault.error));
      await client.close();
    });

    it(`pieceSize, as it ${fault.name}: the connection is lost, and the console told`, async () => {
      const printed = await captureConsole(async () => {
        const { client, server, link } = await connectedPair();
        link.toClient.pieceSize = failsOnce(fault, 1);
        void server.send("a");
        assertEquals((await client.closed).closeCode, 1006);
        assertEquals((await server.closed).closeCode, 1006);
        await settle();
      });
      assert(printed.some((error) => Object.is(error, fault.error)));
      assertEquals(printed.length, fault.isLate ? 2 : 1);
    });
  }

  it("onLink may use the link later, before the first byte", async () => {
    const network = new MemoryNetwork({
      onLink: async (link) => {
        await settle();
        assertEquals(link.toServer.underWay, 0);
        link.reset();
      },
    });
    const server = await network.serve({ port: 80, open() {} });
    await assertRejects(() => network.connect(URL), ConnectError);
    await server.shutdown();
  });
});
