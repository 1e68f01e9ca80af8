import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { KeepingBroker, MissedMessages } from "../../src/server/mod.ts";
import { FakeBroker } from "../brokers/fake_broker.ts";
import { HOOK_FAULTS } from "../support/hook_faults.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

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

const ROWS: [method: Method, act: Act][] = [
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

for (const [method, act] of ROWS) {
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
