// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ResumingClient } from "../resume/resuming_client.ts";
import { settle } from "../support/turn.ts";
import { FakeKeepingBroker, FakeLog } from "./fake_keeping_broker.ts";
import { type RetainingStage, takeNotes, withRetainingStage } from "./retaining_stage.ts";

interface Stage extends Omit<RetainingStage, "append"> {
  /** Another server publishes to "x". */
  append(text: string): void;
}

async function withStage(
  body: (stage: Stage) => Promise<void>,
  countsTogether: boolean = false,
): Promise<void> {
  const log = new FakeLog(countsTogether);
  // Of what is under way, what was asked arrives first, and half of it where the connection is lost.
  const broker = new FakeKeepingBroker(log, () => 0);
  await withRetainingStage(log, broker, ["x"], { resume: true }, async (stage) => {
    await body({ ...stage, append: (text) => stage.append("x", text) });
  });
}

/** Gives the texts that a client has got, one after the other. */
async function assertTexts(client: ResumingClient, texts: string[]): Promise<void> {
  assertEquals(await client.texts(texts.length), texts);
}

/** A new client, that knows where it is. */
async function settleIn(stage: Stage): Promise<ResumingClient> {
  stage.broker.connect();
  const client = await new ResumingClient(stage.harness).begin();
  await stage.arrive();
  await takeNotes(client);
  return client;
}

/** A client that comes with a position. */
async function come(stage: Stage, position: string): Promise<ResumingClient> {
  const client = new ResumingClient(stage.harness);
  client.positions.x = position;
  await client.begin();
  return client;
}

describe("a topic that a broker keeps", () => {
  it("tells subscribers where they are once it is known", () =>
    withStage(async (stage) => {
      stage.append("before");
      const client = await new ResumingClient(stage.harness).begin();
      assertEquals(await client.note(), { topic: "x", number: 1 });
      stage.broker.connect();
      await stage.arrive();
      assertEquals(await client.note(), { topic: "x", number: 1, position: "first.1" });
      stage.append("after");
      await stage.arrive();
      await assertTexts(client, ["after"]);
      assertEquals(client.positions, { x: "first.2" });
    }));

  it("is read for a client that is subscribed again meanwhile", () =>
    withStage(async (stage) => {
      for (const text of ["1", "2", "3"]) stage.append(text);
      const client = await come(stage, "first.1");
      client.conn.subscribe("x");
      stage.broker.connect();
      await stage.ask();
      client.conn.subscribe("x", { lag: "latest" });
      await stage.arrive();
      client.conn.subscribe("x");
      stage.append("4");
      await stage.arrive();
      await takeNotes(client);
      await assertTexts(client, ["2", "3", "4"]);
      assertEquals(client.lost, []);
    }));

  it("is lost for a client that leaves it before it is read, and is told so", () =>
    withStage(async (stage) => {
      for (const text of ["1", "2", "3"]) stage.append(text);
      const client = await come(stage, "first.1");
      client.conn.unsubscribe("x");
      client.conn.subscribe("x");
      stage.broker.connect();
      await stage.arrive();
      stage.append("4");
      await stage.arrive();
      while (client.lost.length === 0) await client.note();
      assertEquals(client.lost, ["x"]);
      let taken = await client.take();
      while ("note" in taken) taken = await client.take();
      assertEquals([taken.data, taken.position], ["4", "first.4"]);
    }));

  it("waits where a client comes from a server that is ahead", () =>
    withStage(async (stage) => {
      const first = await settleIn(stage);
      for (const text of ["1", "2", "3"]) stage.append(text);
      const client = await come(stage, "first.3");
      await stage.arrive();
      stage.append("4");
      await stage.arrive();
      await assertTexts(first, ["1", "2", "3", "4"]);
      await takeNotes(client);
      await assertTexts(client, ["4"]);
    }));

  it("reads again where the connection was lost before it knew where it was", () =>
    withStage(async (stage) => {
      stage.append("before");
      stage.broker.connect();
      const client = await new ResumingClient(stage.harness).begin();
      // It is subscribed, and gets the first message, and not where it is.
      await stage.ask();
      stage.broker.stepAnswer();
      await settle();
      stage.append("1");
      stage.broker.stepAnswer();
      stage.append("2");
      stage.broker.disconnect();
      stage.append("3");
      stage.broker.connect();
      await stage.arrive();
      await client.note();
      assertEquals((await client.note()).position, "first.1");
      await assertTexts(client, ["1", "2", "3"]);
    }));

  it("brings what came while it was read once, and in order", () =>
    withStage(async (stage) => {
      for (const text of ["1", "2", "3"]) stage.append(text);
      const first = await settleIn(stage);
      const client = await come(stage, "first.1");
      const late = await come(stage, "first.2");
      // What is read ends with 4, which comes by itself before that; 5 comes before it, too.
      stage.append("4");
      await stage.ask();
      stage.append("5");
      stage.broker.stepAnswer();
      stage.broker.swapAnswers();
      await stage.arrive();
      stage.append("6");
      await stage.arrive();
      await assertTexts(first, ["4", "5", "6"]);
      for (const [each, from] of [[client, 2], [late, 3]] as const) {
        await takeNotes(each);
        await assertTexts(each, ["2", "3", "4", "5", "6"].slice(from - 2));
      }
    }));

  it("leaves to live messages what was read, and has not come yet", () =>
    withStage(async (stage) => {
      for (const text of ["1", "2"]) stage.append(text);
      const first = await settleIn(stage);
      const client = await come(stage, "first.1");
      stage.append("3");
      await stage.ask();
      // The answer overtakes the message.
      stage.broker.swapAnswers();
      await stage.arrive();
      stage.append("4");
      await stage.arrive();
      await takeNotes(client);
      await assertTexts(client, ["2", "3", "4"]);
      await assertTexts(first, ["3", "4"]);
    }));

  it("tells of what was lost, to those who are there and those who come", () =>
    withStage(async (stage) => {
      const first = await settleIn(stage);
      stage.append("1");
      await stage.arrive();
      await assertTexts(first, ["1"]);
      stage.broker.disconnect();
      for (const text of ["2", "3", "4"]) stage.append(text);
      stage.log.trim("x", 2);
      stage.broker.connect();
      const client = await come(stage, "first.0");
      await stage.arrive();
      assertEquals(await first.note(), { topic: "x", number: 1, isLost: true });
      await assertTexts(first, ["3", "4"]);
      await client.note();
      assertEquals(await client.note(), {
        topic: "x",
        number: 1,
        position: "first.2",
        isLost: true,
      });
      await assertTexts(client, ["3", "4"]);
    }));

  it("begins anew where the broker has forgotten everything", () =>
    withStage(async (stage) => {
      for (const text of ["1", "2"]) stage.append(text);
      const first = await settleIn(stage);
      stage.log.clear();
      stage.append("3");
      await stage.arrive();
      assertEquals((await first.note()).isLost, true);
      await assertTexts(first, ["3"]);
      assertEquals(first.positions, { x: "first-.1" });
    }));

  it("tells quiet clients how far they are", () =>
    withStage(async (stage) => {
      const client = await settleIn(stage);
      stage.log.tick(stage.broker);
      await stage.arrive();
      assertEquals(await client.note(), { progress: "first.1" });
    }, true));

  it("is read again after a second where that failed", () =>
    withStage(async (stage) => {
      stage.append("1");
      stage.broker.connect();
      stage.broker.readError = new Error("Not now");
      const client = await come(stage, "first.0");
      await stage.arrive();
      assert(stage.events.some((event) => event.status === "error"));
      stage.broker.readError = undefined;
      await stage.harness.clock.advance(1_000);
      await stage.arrive();
      await takeNotes(client);
      await assertTexts(client, ["1"]);
    }));

  it("takes back what was published here, once, and in the order of all", () =>
    withStage(async (stage) => {
      const client = await settleIn(stage);
      const { server } = stage.harness;
      server.publish("x", "1");
      stage.append("2");
      server.publish("x", "3", { except: client.conn });
      server.publish("x", "4");
      await settle();
      stage.broker.disconnect();
      assertEquals(server.stats().broker?.waitingSize, 3 * (256 + 24 + 1) + 37);
      stage.broker.connect();
      await stage.arrive();
      await assertTexts(client, ["2", "1", "4"]);
      assertEquals(server.stats().broker?.waitingSize, 0);
      client.reset();
      await settle();
      await client.begin();
      server.publish("x", "5");
      await stage.arrive();
      await takeNotes(client);
      await assertTexts(client, ["5"]);
    }));

  it("brings what is published here as soon as someone is subscribed", () =>
    withStage(async (stage) => {
      stage.broker.connect();
      const client = await new ResumingClient(stage.harness).begin();
      stage.harness.server.publish("x", "1");
      await settle();
      stage.broker.turnRequests();
      await stage.arrive();
      await takeNotes(client);
      await assertTexts(client, ["1"]);
    }));

  it("keeps others waiting for a second at most while it is not known where it is", () =>
    withStage(async (stage) => {
      stage.broker.connect();
      stage.broker.readError = new Error("Not now");
      await new ResumingClient(stage.harness).begin();
      const { server, clock } = stage.harness;
      for (const topic of ["x", "y"]) server.publish(topic, topic);
      await stage.arrive();
      assertEquals(stage.log.historyOf("y").length, 0);
      await clock.advance(1_100);
      await stage.arrive();
      assertEquals(stage.log.historyOf("x").length, 1);
      assertEquals(stage.log.historyOf("y").length, 1);
    }));

  it("drops what is too much, and what the broker refuses, and tells", () =>
    withStage(async (stage) => {
      const { server } = stage.harness;
      stage.broker.connect();
      stage.broker.appendError = Object.assign(new Error("Never"), { isRefused: true });
      server.publish("x", "1");
      await stage.arrive();
      stage.broker.appendError = undefined;
      stage.broker.disconnect();
      for (let i = 0; i < 17; i++) server.publish("x", new Uint8Array(1024 * 1024));
      const { broker } = server.stats();
      assertEquals([broker?.dropped, broker?.published], [3, 18]);
      const told = stage.events.flatMap((event) => event.status === "dropped" ? [event.error] : []);
      assertEquals(told.map((error) => (error as Error)?.message), ["Never", undefined, undefined]);
    }));
});
