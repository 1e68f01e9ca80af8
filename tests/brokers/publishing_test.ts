// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { HostOptions } from "../../src/server/mod.ts";
import { withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { type BrokerStage, FakeBroker, withBroker } from "./fake_broker.ts";

/** Runs a server with a broker, and a client that is subscribed to "x". */
function withSubscriber(
  body: (stage: BrokerStage) => Promise<void>,
  options?: HostOptions,
): Promise<void> {
  return withBroker(async (stage) => {
    stage.conn.subscribe("x");
    await settle();
    assertEquals(stage.broker.takeLines(), ["subscribe x"]);
    await body(stage);
  }, options);
}

/** What a server gives to the broker, and another one takes from it. */
async function relay(broker: FakeBroker, publish: () => void): Promise<Uint8Array> {
  publish();
  await settle();
  return broker.takeCall().message!;
}

describe("what is published with a broker", () => {
  it("is delivered here at once, and given to the broker; its echo is dropped", () =>
    withSubscriber(async ({ broker, harness, client }) => {
      const message = await relay(broker, () => harness.server.publish("x", "1"));
      assertEquals(await client.readMessage(), "1");
      broker.handler.receiveMessage("x", message);
      harness.server.publish("x", "2");
      assertEquals(await client.readMessage(), "2");
      assertEquals(harness.server.stats().broker?.received, 0);
    }));

  it("reaches the subscribers of another server as it is, and in order", () =>
    withSubscriber(({ broker, harness: { server } }) =>
      withSubscriber(async (other) => {
        const messages = ["", "\ufefftext 😀", Uint8Array.of(), Uint8Array.of(0, 255, 128)];
        for (const data of messages) server.publish("x", data, { key: "é", compress: false });
        await settle();
        for (const { message } of broker.calls) other.broker.handler.receiveMessage("x", message!);
        for (const data of messages) assertEquals(await other.client.readMessage(), data);
        const stats = other.harness.server.stats().broker;
        assertEquals([stats?.received, stats?.published, stats?.malformed], [4, 0, 0]);
      })
    ));

  it("leaves out `except` here alone, and keeps one of each key for slow ones elsewhere", () =>
    withSubscriber(async ({ broker, harness }) => {
      const { client, conn } = await harness.openPair();
      client.socket.pause();
      conn.subscribe("y", { lag: "latest" });
      conn.trySend("".padEnd(3_000, "."));
      await settle();
      broker.takeLines();
      await withSubscriber(async ({ broker: otherBroker, harness: { server } }) => {
        const [except] = server.connections;
        const values = ["a1", "b1", "a2", "b2"];
        for (const value of values) server.publish("y", value, { except, key: value[0] });
        await settle();
        assertEquals(otherBroker.calls.length, 4);
        for (const call of otherBroker.calls) {
          broker.handler.receiveMessage("y", call.message!);
          await settle();
        }
      });
      client.socket.resume();
      await client.readMessage();
      assertEquals([await client.readMessage(), await client.readMessage()], ["a2", "b2"]);
    }, { limits: { sendHighWaterMark: 2_000, sendQueueSize: 100_000 } }));

  it("has a key that stays itself on its way, which is told at once", () =>
    withSubscriber(async ({ broker, harness: { server } }) => {
      for (const key of ["\ud800", "a\udfffb", "\udc00\ud800"]) {
        assertThrows(
          () => server.publish("x", "1", { key }),
          TypeError,
          "With a broker, a key must ",
        );
      }
      server.publish("x", "1", { key: "\ufffd😀" });
      await settle();
      assertEquals(broker.calls.length, 1);
    }));

  it("goes nowhere without a subscriber", () =>
    withSubscriber(async ({ broker, harness, client }) => {
      await withSubscriber(async (other) => {
        const message = await relay(other.broker, () => other.harness.server.publish("z", "1"));
        broker.handler.receiveMessage("z", message);
      });
      harness.server.publish("x", "2");
      assertEquals(await client.readMessage(), "2");
    }));

  it("is not of this library: passed over, counted, and told when the number doubles", () =>
    withSubscriber(async ({ broker, events, harness, client }) => {
      for (let i = 0; i < 9; i++) broker.handler.receiveMessage("x", new Uint8Array(i));
      const told = events.slice(1);
      assertEquals(told.map((event) => "messages" in event && event.messages), [1, 1, 2, 4]);
      assert(told[3].status === "malformed");
      assertEquals([told[3].topic, told[3].reason], [
        "x",
        "It has 7 bytes, and less than 24 are no message",
      ]);
      assertEquals(harness.server.stats().broker?.malformed, 9);
      harness.server.publish("x", "1");
      assertEquals(await client.readMessage(), "1");
    }));
});

/** What waits counts for this much more than its bytes: an envelope of 24, and 256. */
const COST = 24 + 256;

describe("while the broker is away, what is published", () => {
  it("waits, as much as may; what has waited longest is dropped, and told", () =>
    withSubscriber(async ({ broker, events, harness, client }) => {
      const { server } = harness;
      broker.handler.receiveLost(new Error("gone"));
      for (let i = 0; i < 10; i++) {
        server.publish("x", `${i}`);
        assertEquals(await client.readMessage(), `${i}`, "delivered here at once");
      }
      assertEquals(broker.takeLines(), []);
      const { dropped, waitingSize, connected } = server.stats().broker!;
      assertEquals([dropped, waitingSize, connected], [7, 3 * (COST + 1), false]);
      assertEquals(
        events.slice(2).map((event) => "messages" in event && event.messages),
        [1, 1, 2],
      );
      broker.handler.receiveConnected();
      await settle();
      const published = broker.calls.map(({ message }) => String.fromCharCode(message!.at(-1)!));
      assertEquals(published, ["7", "8", "9"]);
      assertEquals(events.slice(5), [
        { type: "broker", status: "dropped", messages: 3, error: undefined },
        { type: "broker", status: "reconnected" },
      ]);
      assertEquals(server.stats().broker?.waitingSize, 0);
    }, { brokerQueueSize: 3 * (COST + 1) }));

  it("waits too where it is connected, and has taken a megabyte that it has not confirmed", () =>
    withSubscriber(async ({ broker, events, harness, client }) => {
      const { server } = harness;
      broker.answers = false;
      const data = new Uint8Array(512 * 1024);
      for (let i = 0; i < 6; i++) {
        server.publish("x", data);
        await client.readMessage();
      }
      assertEquals(broker.calls.length, 2);
      assertEquals(server.stats().broker?.dropped, 2);
      assertEquals(server.stats().broker?.waitingSize, 4 * (COST + data.length));
      for (const call of broker.calls.splice(0)) call.resolve();
      await settle();
      assertEquals(broker.calls.length, 2);
      for (const call of broker.calls.splice(0)) call.resolve();
      assertEquals(events.map(({ status }) => status), ["connected", "dropped", "dropped"]);
    }, { brokerQueueSize: 2 * (COST + 512 * 1024) }));

  it("is lost where the broker says so", () =>
    withSubscriber(async ({ broker, events, harness, client }) => {
      broker.answers = false;
      harness.server.publish("x", "1");
      const error = new Error("too big");
      broker.takeCall().reject(error);
      await client.readMessage();
      await settle();
      assertEquals(events.slice(1), [{ type: "broker", status: "dropped", messages: 1, error }]);
      assertEquals(harness.server.stats().broker?.waitingSize, 0);
    }));
});

describe("the broker of a server", () => {
  it("tells how it stands, once each time", () =>
    withSubscriber(({ broker: { handler }, events }) => {
      const [first, second] = [new Error("1"), new Error("2")];
      handler.receiveConnected();
      handler.receiveLost(first);
      handler.receiveLost(second);
      handler.receiveConnected();
      handler.receiveError(second);
      assertEquals(events, [
        { type: "broker", status: "connected" },
        { type: "broker", status: "lost", error: first },
        { type: "broker", status: "reconnected" },
        { type: "broker", status: "error", error: second },
      ]);
      return Promise.resolve();
    }));

  it("has its errors reported where there is no onEvent", () =>
    withSubscriber(({ broker: { handler }, harness }) => {
      const error = new Error("gone");
      handler.receiveLost(error);
      assertEquals(harness.takeErrors(), [error]);
      return Promise.resolve();
    }, { onEvent: undefined }));

  it("is closed by shutdown(), when it has what was published last", () =>
    withSubscriber(async ({ broker, harness }) => {
      broker.answers = false;
      harness.server.publish("x", "bye");
      harness.resetClients();
      const finished = watch(harness.server.shutdown());
      await settle();
      assertEquals([broker.closeCount, finished.state], [0, "pending"]);
      for (const call of broker.calls.splice(0)) call.resolve();
      await finished.settled;
      assertEquals(broker.closeCount, 1);
    }));

  it("is closed by shutdown() a second later where it does not answer", () =>
    withSubscriber(async ({ broker, harness }) => {
      broker.answers = false;
      harness.server.publish("x", "bye");
      harness.resetClients();
      const finished = watch(harness.server.shutdown());
      await settle();
      await harness.clock.advance(1_000);
      await finished.settled;
      assertEquals(broker.closeCount, 1);
    }));

  it("keeps the server from starting where it can't start", async () => {
    const broker = new FakeBroker();
    broker.startError = new Error("no package");
    await assertRejects(() => withMemoryServer({ broker }, async () => {}), Error, "no package");
    await assertRejects(
      () => withMemoryServer({ broker: { start() {} } as unknown as FakeBroker }, async () => {}),
      TypeError,
      "broker must be an object with the methods start, publish,",
    );
    await assertRejects(
      () => withMemoryServer({ broker: new FakeBroker(), brokerQueueSize: -1 }, async () => {}),
      RangeError,
      "brokerQueueSize",
    );
  });
});
