import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  accept,
  type KeepingBroker,
  type MissedMessages,
  type ServerConnection,
} from "../../src/server/mod.ts";
import { captureConsole, failsOnce, HOOK_FAULTS } from "../support/hook_faults.ts";
import { Hook as CountedHook } from "../support/hook.ts";
import { RawClient } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { StreamSocket } from "../support/stream_socket.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";
import { FakeBroker } from "../brokers/fake_broker.ts";

type Server = MemoryHarness<unknown>;
type Hook = () => never;

interface Row {
  name: string;
  setup: (hook: Hook) => Setup<unknown>;
  /** Has the server call the hook, and checks what comes of its failure. */
  act: (server: Server) => Promise<unknown>;
  /** What it gives where it does not fail. */
  result?: unknown;
  /** Whether the answer is needed at once: a promise is a TypeError besides. */
  isSync?: boolean;
}

async function expectStatus(server: Server, request: string, status: number): Promise<void> {
  const client = await server.request(request);
  assertEquals((await client.readResponse()).status, status);
  await client.finish();
}

/** Opens a connection, has the hook called, and expects that it is closed for it. */
function expectClose(deed: (client: RawClient, conn: ServerConnection) => unknown): Row["act"] {
  return async (server) => {
    const { client, conn } = await server.openPair();
    await deed(client as RawClient, conn);
    assertEquals((await client.readClose())[0], 1011);
  };
}

function listen(set: (socket: WebSocket, hook: Hook) => void): (hook: Hook) => Setup<unknown> {
  return (hook) => ({
    handler: (conn) => {
      set(conn.asWebSocket(), hook);
      return conn.closed;
    },
  });
}

const send = expectClose((client) => client.sendText("a"));
const withOrigin = upgradeRequest({ headers: { Origin: "http://example.com" } });

const ROWS: Row[] = [
  {
    name: "upgrade",
    result: {},
    setup: (upgrade) => ({ upgrade }),
    act: (server) => expectStatus(server, upgradeRequest(), 500),
  },
  {
    name: "fetch",
    setup: (fetch) => ({ fetch }),
    act: (server) => expectStatus(server, httpRequest(), 500),
  },
  {
    name: "origin",
    setup: (origin) => ({ origin }),
    act: (server) => expectStatus(server, withOrigin, 500),
  },
  {
    name: "onEvent",
    setup: (onEvent) => ({ onEvent }),
    act: (server) => expectStatus(server, "?\r\n\r\n", 400),
  },
  { name: "open", setup: (open) => ({ open }), act: expectClose(() => {}) },
  { name: "message", setup: (message) => ({ message }), act: send },
  {
    name: "ping",
    setup: (ping) => ({ ping }),
    act: async (server) => {
      const client = await server.open();
      client.sendPing("a");
      assertEquals((await client.readFrame()).opcode, 10);
      assertEquals((await client.readClose())[0], 1011);
    },
  },
  {
    name: "drain",
    setup: (drain) => ({ drain, limits: { sendHighWaterMark: 10 } }),
    act: async (server) => {
      const { client, conn } = await server.openPair();
      client.socket.pause();
      conn.trySend("x".repeat(500_000));
      await settle();
      client.socket.resume();
      assertEquals((await client.readFrame()).payload.length, 500_000);
      assertEquals((await client.readClose())[0], 1011);
    },
  },
  {
    name: "close",
    setup: (close) => ({ close }),
    act: async (server) => {
      const client = await server.open();
      client.socket.reset();
      await eventually("the end", () => server.server.connections.size === 0);
    },
  },
  { name: "the handler", setup: (handler) => ({ handler }), act: expectClose(() => {}) },
  { name: "onmessage", setup: listen((socket, hook) => socket.onmessage = hook), act: send },
  {
    name: "the second of two listeners",
    setup: listen((socket, hook) => {
      socket.addEventListener("message", () => {});
      socket.addEventListener("message", hook);
    }),
    act: send,
  },
  {
    name: "presence.notice",
    isSync: true,
    setup: (notice) => ({ presence: { notice } }),
    act: async (server) => {
      const [first, second] = [await server.openPair(), await server.openPair()];
      first.conn.subscribe("room", { presence: { key: "a" } });
      second.conn.subscribe("room", { presence: { key: "b" } });
      await settle();
      assertEquals((await server.server.presence("room")).length, 2);
    },
  },
  {
    name: "resume.topics",
    isSync: true,
    setup: (topics) => ({ resume: { topics } }),
    act: async (server) => {
      server.server.publish("a", "text");
      await settle();
    },
  },
];

/** Checks what was reported. The errors are not to be shown: that throws. */
function checkReports(errors: unknown[], error: unknown, isRefused: boolean): void {
  if (isRefused) {
    const refusal = errors.find((reported) => reported !== error);
    assertInstanceOf(refusal, TypeError);
    errors.splice(errors.indexOf(refusal), 1);
  }
  assertEquals(errors.length, 1);
  assert(Object.is(errors[0], error), "something else was reported");
}

for (const { name, setup, act, result, isSync = false } of ROWS) {
  describe(`${name} of a server, where it fails, is reported`, () => {
    for (const fault of HOOK_FAULTS) {
      it(`as it ${fault.name}`, () =>
        withMemoryServer(setup(failsOnce(fault, result)), async (server) => {
          await act(server);
          await settle();
          checkReports(server.takeErrors(), fault.error, isSync && fault.isLate);
          // The server lives.
          assertEquals((await server.open()).isClosed, false);
          server.takeErrors();
        }));
    }
  });
}

describe("onError of a server, where it fails itself, leaves both errors to the console", () => {
  for (const fault of HOOK_FAULTS) {
    it(`as it ${fault.name}`, async () => {
      const first = new Error("first");
      const setup: Setup<unknown> = {
        message: () => Promise.reject(first),
        onError: failsOnce(fault),
      };
      const printed = await captureConsole(() =>
        withMemoryServer(setup, async (server) => {
          await send(server);
          await settle();
          server.takeErrors();
        })
      );
      assertEquals(printed.length, 2);
      assert(Object.is(printed[0], first) && Object.is(printed[1], fault.error));
    });
  }
});

describe("the console, where there is no onError", () => {
  it("gets what the program threw, and is not harmed by what can't be shown", async () => {
    for (const { error, fail } of HOOK_FAULTS) {
      const socket = new StreamSocket();
      const accepted = watch(accept(socket.server, { upgrade: fail }));
      const { error: print } = console;
      let calls = 0;
      console.error = (what: unknown) => {
        calls++;
        // As a console does that looks at what it is given.
        if (Object.is(what, error)) throw error;
      };
      try {
        const client = new RawClient(socket);
        socket.resume();
        client.send(upgradeRequest());
        assertEquals((await client.readResponse()).status, 500);
        socket.end();
        await accepted.untilSettled();
        await settle();
      } finally {
        console.error = print;
      }
      assertEquals([accepted.state, calls], ["rejected", 2]);
    }
  });
});

describe("a decision of the program that is neither yes nor no", () => {
  const NO_DECISIONS = [undefined, null, 1, "yes", {}, [], () => true];

  it("is no, from origin, and reported", async () => {
    for (const decision of NO_DECISIONS) {
      for (const origin of [() => decision, () => Promise.resolve(decision)]) {
        await withMemoryServer({ origin: origin as () => boolean }, async (server) => {
          await expectStatus(server, withOrigin, 500);
          const [error, ...more] = server.takeErrors();
          assertInstanceOf(error, TypeError);
          assertEquals(more, []);
        });
      }
    }
  });

  it("is no, from resume.topics, and reported", async () => {
    for (const decision of NO_DECISIONS) {
      await withMemoryServer({ resume: { topics: () => decision as boolean } }, (server) => {
        server.server.publish("a", "text");
        assertEquals(server.server.stats().keptSize, 0);
        const errors = server.takeErrors();
        assert(errors.length > 0 && errors.every((error) => error instanceof TypeError));
        return Promise.resolve();
      });
    }
  });
});

describe("an origin function that answers later", () => {
  function answerLater() {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const upgrade = new CountedHook(() => ({}));
    return { setup: { origin: () => promise, upgrade: upgrade.call }, upgrade, resolve };
  }

  it("admits where the answer is true, and not before", async () => {
    const { setup, upgrade, resolve } = answerLater();
    await withMemoryServer(setup, async (server) => {
      const client = await server.request(withOrigin);
      await settle();
      assertEquals([upgrade.calls, client.receivedSize, server.server.connections.size], [0, 0, 0]);
      resolve(true);
      assertEquals((await client.readHead()).status, 101);
      assertEquals(upgrade.calls, 1);
    });
  });

  it("refuses with 403 where the answer is false", () =>
    withMemoryServer({ origin: () => Promise.resolve(false) }, async (server) => {
      await expectStatus(server, withOrigin, 403);
      assertEquals((await server.open()).isClosed, false);
    }));

  it("refuses with 408 where it comes too late, and asks the upgrade hook nothing", () => {
    const { setup, upgrade, resolve } = answerLater();
    return withMemoryServer(setup, async (server) => {
      const client = await server.request(withOrigin);
      await server.clock.advance(10_000);
      assertEquals((await client.readResponse()).status, 408);
      resolve(true);
      await settle();
      await client.finish();
      assertEquals([upgrade.calls, server.server.connections.size], [0, 0]);
    });
  });

  it("opens nothing where the client has left", () => {
    const { setup, upgrade, resolve } = answerLater();
    return withMemoryServer(setup, async (server) => {
      const client = await server.request(withOrigin);
      await settle();
      client.socket.reset();
      await settle();
      resolve(true);
      await settle();
      assertEquals([upgrade.calls, server.server.stats().handshakes], [0, 0]);
    });
  });
});

/** A broker that keeps nothing, and says that it does. */
class ForgetfulBroker extends FakeBroker implements KeepingBroker {
  keep(): void {}

  append(): Promise<void> {
    return Promise.resolve();
  }

  read(): Promise<MissedMessages> {
    const position = { epoch: "a", number: 0 };
    return Promise.resolve({ messages: [], isComplete: true, position });
  }
}

type Method = "publish" | "subscribe" | "unsubscribe" | "close" | "append" | "read";
type Act = (server: MemoryHarness<unknown>) => unknown;

const subscribe: Act = async (server) => {
  const { conn } = await server.openPair();
  conn.subscribe("news");
  await settle();
};

const BROKER_METHODS: [method: Method, act: Act][] = [
  ["publish", (server) => server.server.publish("news", "a")],
  ["subscribe", subscribe],
  ["unsubscribe", async (server) => {
    const { conn } = await server.openPair();
    conn.subscribe("news");
    await settle();
    conn.unsubscribe("news");
  }],
  ["close", (server) => server.server.shutdown()],
  ["append", (server) => server.server.publish("news", "a")],
  ["read", subscribe],
];

for (const [method, act] of BROKER_METHODS) {
  describe(`${method} of a program's broker, where it fails, harms nobody`, () => {
    for (const { name, error, fail } of HOOK_FAULTS) {
      it(`as it ${name}`, () => {
        const broker = new ForgetfulBroker();
        let calls = 0;
        broker[method] = () => {
          calls++;
          return fail();
        };
        const isKept = method === "append" || method === "read";
        const setup = { broker, resume: isKept ? { windowMs: 1_000 } : false, keepAlive: false };
        return withMemoryServer(setup as object, async (server) => {
          broker.handler.receiveConnected();
          await act(server);
          await settle();
          assertEquals(calls, 1);
          const errors = server.takeErrors();
          // An attempt to append is made again. `undefined` says no more than that something was lost.
          if (method !== "append" && error !== undefined) {
            assertEquals(errors.length, 1);
            assert(Object.is(errors[0], error));
          }
          if (method !== "close") assertEquals((await server.open()).isClosed, false);
          broker[method] = ForgetfulBroker.prototype[method] as never;
          // It is tried again.
          await server.clock.advance(2_000);
          assertEquals(server.takeErrors(), []);
        });
      });
    }
  });
}

describe("start of a program's broker, where it fails", () => {
  for (const { name, error, fail } of HOOK_FAULTS) {
    it(`as it ${name}: so does serve`, async () => {
      const broker = new FakeBroker();
      broker.start = fail;
      let reason: unknown = "nothing";
      await withMemoryServer({ broker }, () => Promise.resolve()).catch((thrown) => {
        reason = thrown;
      });
      assert(Object.is(reason, error));
    });
  }
});
