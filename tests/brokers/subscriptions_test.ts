// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { FakeBroker, withBroker } from "./fake_broker.ts";

describe("a topic is subscribed at the broker", () => {
  it("from the first subscriber to the last one", () =>
    withBroker(async ({ broker, conn, harness }) => {
      const { conn: other, client } = await harness.openPair();
      conn.subscribe("x");
      await settle();
      assertEquals(broker.takeLines(), ["subscribe x"]);
      other.subscribe("x");
      conn.unsubscribe("x");
      await settle();
      assertEquals(broker.takeLines(), []);
      client.socket.reset();
      await other.closed;
      await settle();
      assertEquals(broker.takeLines(), ["unsubscribe x"]);
    }));

  it("in one go with the others of a turn, and not at all where nobody stays", () =>
    withBroker(async ({ broker, conn }) => {
      for (const topic of ["a", "b", "c"]) conn.subscribe(topic);
      conn.unsubscribe("b");
      await settle();
      assertEquals(broker.takeLines(), ["subscribe a,c"]);
      conn.unsubscribe("a");
      conn.subscribe("a");
      await settle();
      assertEquals(broker.takeLines(), []);
    }));

  it("once the broker is connected", async () => {
    const broker = new FakeBroker();
    await withMemoryServer({ broker, onEvent() {} }, async (harness) => {
      const { conn } = await harness.openPair();
      conn.subscribe("x");
      conn.subscribe("y");
      conn.unsubscribe("y");
      await settle();
      assertEquals(broker.takeLines(), []);
      broker.handler.receiveConnected();
      await settle();
      assertEquals(broker.takeLines(), ["subscribe x"]);
    });
  });

  it("and no longer, where the last one leaves before the broker has confirmed it", () =>
    withBroker(async ({ broker, conn }) => {
      broker.answers = false;
      conn.subscribe("x");
      await settle();
      const subscribing = broker.takeCall();
      conn.unsubscribe("x");
      await settle();
      assertEquals(broker.takeLines(), [], "one thing at a time");
      subscribing.resolve();
      await settle();
      const unsubscribing = broker.takeCall();
      assertEquals(unsubscribing.name, "unsubscribe");
      conn.subscribe("x");
      await settle();
      assertEquals(broker.takeLines(), []);
      unsubscribing.resolve();
      await settle();
      assertEquals(broker.takeLines(), ["subscribe x"]);
    }));

  it("as it is, where somebody comes and goes before the broker has confirmed it", () =>
    withBroker(async ({ broker, conn }) => {
      broker.answers = false;
      conn.subscribe("x");
      await settle();
      const subscribing = broker.takeCall();
      for (let i = 0; i < 3; i++) {
        conn.unsubscribe("x");
        await settle();
        conn.subscribe("x");
        await settle();
      }
      subscribing.resolve();
      await settle();
      assertEquals(broker.takeLines(), []);
    }));

  it("a second later, where the broker refused it", () =>
    withBroker(async ({ broker, conn, events, harness }) => {
      broker.answers = false;
      conn.subscribe("x");
      conn.subscribe("y");
      await settle();
      const error = new Error("not permitted");
      broker.takeCall().reject(error);
      await settle();
      assertEquals(events.slice(1), [{ type: "broker", status: "error", error }]);
      conn.unsubscribe("y");
      await settle();
      assertEquals(broker.takeLines(), ["unsubscribe y"], "it may have done what it refused");
      await harness.clock.advance(999);
      assertEquals(broker.takeLines(), []);
      await harness.clock.advance(1);
      assertEquals(broker.takeLines(), ["subscribe x"]);
    }));

  it("and held up by no other that is refused", () =>
    withBroker(async ({ broker, conn, harness }) => {
      broker.answers = false;
      for (const topic of ["a", "b"]) conn.subscribe(topic);
      await settle();
      broker.takeCall().reject(new Error("not permitted"));
      await settle();
      conn.subscribe("c");
      await settle();
      assertEquals(broker.takeLines(), ["subscribe c"]);
      await harness.clock.advance(1_000);
      assertEquals(broker.takeLines(), ["subscribe a", "subscribe b"]);
    }));

  it("when it is back, where it was lost before it had confirmed it", () =>
    withBroker(async ({ broker, conn }) => {
      conn.subscribe("old");
      conn.subscribe("left");
      await settle();
      broker.takeLines();
      broker.answers = false;
      conn.subscribe("new");
      await settle();
      const subscribing = broker.takeCall();
      broker.handler.receiveLost(new Error("gone"));
      subscribing.reject(new Error("gone"));
      conn.unsubscribe("left");
      conn.subscribe("later");
      await settle();
      assertEquals(broker.takeLines(), []);
      broker.handler.receiveConnected();
      await settle();
      // The broker itself sees to those that it has confirmed.
      assertEquals(broker.takeLines(), ["unsubscribe left", "subscribe later,new"]);
    }));

  it("unless its name can't go there, which is told at once", () =>
    withBroker(async ({ broker, conn, harness }) => {
      const { server } = harness;
      for (
        const [topic, error, message] of [
          ["\ud800", TypeError, "With a broker, a topic must "],
          ["é".repeat(513), RangeError, "with a broker, got 1026"],
        ] as const
      ) {
        assertThrows(() => conn.subscribe(topic), error, message);
        assertThrows(() => server.publish(topic, "1"), error, message);
        assertEquals([server.subscriberCount(topic), conn.topics.size], [0, 0]);
      }
      conn.subscribe("é".repeat(512));
      conn.subscribe("");
      await settle();
      assertEquals(broker.takeLines(), [`subscribe ${"é".repeat(512)},`]);
    }));
});
