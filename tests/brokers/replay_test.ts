// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Address } from "../../mod.ts";
import type { MissedMessages, Position, ResumeOptions } from "../../src/server/mod.ts";
import { ResumingClient } from "../resume/resuming_client.ts";
import { settle } from "../support/turn.ts";
import { FakeKeepingBroker, FakeLog } from "./fake_keeping_broker.ts";
import { type RetainingStage, withRetainingStage } from "./retaining_stage.ts";

/** What each message counts for besides its bytes. */
const COST = 256;

/** A broker that counts what it is asked for. */
class CountingBroker extends FakeKeepingBroker {
  reads = 0;
  under = 0;
  most = 0;
  /** What it was asked for, in that order. */
  readonly asked: string[] = [];
  /** What it was asked to give at most. */
  readonly maxSizes: number[] = [];
  /** The bytes of messages that it gave. */
  size = 0;
  /** The topics of which it never gives anything. */
  readonly stuck: Set<string> = new Set();

  override async read(
    topic: string,
    after: Position | undefined,
    maxSize = -1,
  ): Promise<MissedMessages> {
    if (after === undefined) return await super.read(topic, after);
    this.asked.push(topic);
    this.maxSizes.push(maxSize);
    this.reads++;
    if (this.stuck.has(topic)) return await new Promise(() => {});
    this.most = Math.max(this.most, ++this.under);
    try {
      const missed = await super.read(topic, after);
      for (const { message } of missed.messages) this.size += message.length;
      return missed;
    } finally {
      this.under--;
    }
  }
}

type Stage = RetainingStage<CountingBroker>;

function withStage(
  resume: Partial<ResumeOptions>,
  topics: readonly string[],
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const log = new FakeLog(false);
  const broker = new CountingBroker(log, () => 0);
  return withRetainingStage(log, broker, topics, { resume, keepAlive: false }, body);
}

/** What was told of the broker that is an error. */
function errorsOf({ events }: Stage): string[] {
  return events.flatMap((event) => event.status === "error" ? [String(event.error)] : []);
}

/** Has a client come back that is at the beginning of all topics; gives it. */
async function comeBack(
  stage: Stage,
  topics: readonly string[],
  hostname = "192.0.2.1",
): Promise<ResumingClient> {
  const client = new ResumingClient(stage.harness);
  for (const topic of topics) client.positions[topic] = "first.0";
  await client.open();
  const channel = stage.harness.channelOf(client.raw) as { remoteAddress: Address };
  channel.remoteAddress = { transport: "tcp", hostname, port: 1 };
  client.sendHello();
  await client.note();
  return client;
}

/** Connects the broker, and gives a client that has got all that there was. */
async function connectWithClient(stage: Stage): Promise<ResumingClient> {
  stage.broker.connect();
  await stage.arrive();
  const client = await new ResumingClient(stage.harness).begin();
  await stage.arrive();
  await collect(client);
  return client;
}

/** What a client has got: which topics were lost, and how many messages came. */
async function collect(client: ResumingClient): Promise<{ lost: string[]; count: number }> {
  void client.conn.send("the end");
  const lost: string[] = [];
  for (let count = 0;; count++) {
    const taken = await client.take();
    if ("note" in taken) {
      count--;
      if (taken.note.isLost) lost.push(taken.note.topic!);
    } else if (taken.data === "the end") {
      return { lost, count };
    }
  }
}

describe("what clients that come back draw from a broker", () => {
  const topics = Array.from({ length: 30 }, (_, i) => `${i}`);

  it("is read of eight topics at a time", () =>
    withStage({}, topics, async (stage) => {
      for (const topic of topics) stage.append(topic, "1");
      const first = await connectWithClient(stage);
      stage.broker.reads = stage.broker.most = 0;
      const clients = [];
      for (let i = 0; i < 5; i++) clients.push(await comeBack(stage, topics));
      await stage.arrive();
      assertEquals(stage.broker.most, 8);
      for (const client of clients) {
        assertEquals(await collect(client), { lost: [], count: 30 });
      }
      // What comes then is not held up.
      stage.append("7", "2");
      await stage.arrive();
      for (const client of [first, ...clients]) assertEquals(await client.data(), "2");
    }));

  for (const isLeft of [true, false]) {
    it(`holds up no other address, where those who asked are ${isLeft ? "gone" : "there"}`, () =>
      withStage({}, topics, async (stage) => {
        const { broker } = stage;
        for (const topic of topics) stage.append(topic, "1");
        await connectWithClient(stage);
        broker.asked.length = 0;
        const others = topics.slice(0, -1);
        for (let i = 0; i < 5; i++) {
          const client = await comeBack(stage, others, "192.0.2.2");
          if (isLeft) client.reset();
          await settle();
        }
        assertEquals(broker.asked, topics.slice(0, 8));
        const honest = await comeBack(stage, topics.slice(-1), "192.0.2.3");
        await settle();
        // One of those under way comes to its end.
        while (broker.asked.length === 8) {
          broker.step();
          await settle();
        }
        while (!broker.asked.includes("29")) {
          broker.step();
          await settle();
        }
        assert(broker.asked.indexOf("29") <= 10, broker.asked.join());
        await stage.arrive();
        assertEquals(await collect(honest), { lost: [], count: 1 });
        // Nothing is read for those who are gone.
        if (isLeft) assertEquals(broker.asked.length, 9);
      }));
  }

  it("holds up nobody where the topics have no subscribers any more", () =>
    withStage({}, topics, async (stage) => {
      const { broker } = stage;
      for (const topic of topics) stage.append(topic, "1");
      broker.connect();
      for (let i = 0; i < 3; i++) {
        const client = await comeBack(stage, topics, "192.0.2.2");
        for (let k = 0; k < 200 && broker.asked.length < 8 * (i + 1); k++) {
          broker.step();
          await settle();
        }
        client.reset();
        await settle();
      }
      const before = broker.asked.length;
      await stage.arrive();
      assert(broker.asked.length <= before + 8, `${before}, ${broker.asked.length}`);
    }));

  it("gives its turn back where the broker does not answer, and is told as lost", () =>
    withStage({}, topics, async (stage) => {
      const { broker } = stage;
      for (const topic of topics) stage.append(topic, "1");
      const first = await connectWithClient(stage);
      for (const topic of topics.slice(0, 10)) broker.stuck.add(topic);
      const client = await comeBack(stage, topics);
      await stage.arrive();
      assertEquals([broker.reads, errorsOf(stage)], [8, []]);
      await stage.harness.clock.advance(9_999);
      await stage.arrive();
      assertEquals([broker.reads, errorsOf(stage)], [8, []]);
      await stage.harness.clock.advance(1);
      await stage.arrive();
      assertEquals([broker.reads, errorsOf(stage).length], [30, 8]);
      assert(
        /Cannot read what was missed of the topic "0"/.test(errorsOf(stage)[0]),
        errorsOf(stage)[0],
      );
      await stage.harness.clock.advance(10_000);
      await stage.arrive();
      assertEquals(await collect(client), { lost: topics.slice(0, 10), count: 20 });
      // What comes then comes.
      stage.append("0", "2");
      await stage.arrive();
      assertEquals([await first.data(), await client.data()], ["2", "2"]);
    }));

  it("counts for what an address may draw, also where nobody gets it", () =>
    withStage({ replaySizePerMinute: 100_000, windowSize: 60_000 }, topics, async (stage) => {
      const { broker } = stage;
      for (const topic of topics) {
        for (let i = 0; i < 5; i++) stage.append(topic, "x".repeat(10_000));
      }
      await connectWithClient(stage);
      broker.size = 0;
      broker.maxSizes.length = 0;
      for (let i = 0; i < 5; i++) {
        const client = await comeBack(stage, topics, "192.0.2.2");
        if (i % 2 === 0) client.reset();
        await stage.arrive();
        client.reset();
        await settle();
      }
      // What there is, and one window more at most.
      assert(broker.size > 50_000 && broker.size < 161_000, `${broker.size}`);
      assert(broker.maxSizes.every((size) => size >= 256 && size <= 100_000), `${broker.maxSizes}`);
      // What was more than there was is owed.
      const before = broker.size;
      await stage.harness.clock.advance(30_000);
      const late = await comeBack(stage, topics, "192.0.2.2");
      await stage.arrive();
      late.reset();
      await settle();
      assert(broker.size - before < 111_000, `${broker.size - before}`);
      // Others are not concerned.
      const other = await comeBack(stage, topics.slice(-1), "192.0.2.3");
      await stage.arrive();
      assertEquals(await collect(other), { lost: [], count: 5 });
    }));

  it("is bounded, as it is without a broker: nothing is read for who gets nothing", () =>
    withStage({ replaySizePerMinute: 3 * (COST + 1) }, ["x"], async (stage) => {
      for (const text of ["1", "2", "3"]) stage.append("x", text);
      stage.broker.connect();
      const first = await new ResumingClient(stage.harness).begin();
      await stage.arrive();
      await collect(first);
      stage.broker.reads = 0;
      const client = await comeBack(stage, ["x"]);
      await stage.arrive();
      assertEquals(await collect(client), { lost: [], count: 3 });
      assertEquals(stage.broker.reads, 1);
      for (let i = 0; i < 5; i++) {
        const again = await comeBack(stage, ["x"]);
        await stage.arrive();
        assertEquals(await collect(again), { lost: ["x"], count: 0 });
        assertEquals(again.positions.x, "first.3");
        again.reset();
        await settle();
      }
      assertEquals(stage.broker.reads, 1);
      stage.append("x", "4");
      await stage.arrive();
      assertEquals([await first.data(), await client.data()], ["4", "4"]);
      await stage.harness.clock.advance(20_000);
      const last = await comeBack(stage, ["x"]);
      await stage.arrive();
      assertEquals(await collect(last), { lost: ["x"], count: 1 });
      assertEquals(last.positions.x, "first.4");
    }));

  it("counts for the memory that it takes while it waits, once for all who get it", () =>
    withStage({}, ["x"], async (stage) => {
      for (let i = 0; i < 10; i++) stage.append("x", "y".repeat(100_000));
      stage.broker.connect();
      const first = await new ResumingClient(stage.harness).begin();
      await stage.arrive();
      await collect(first);
      const clients: ResumingClient[] = [];
      for (let i = 0; i < 4; i++) {
        const client = new ResumingClient(stage.harness);
        client.positions.x = "first.0";
        await client.begin();
        client.raw.socket.pause();
        clients.push(client);
      }
      await stage.arrive();
      const held = () => stage.harness.server.stats().heldSize;
      // Of ten, one or two of each are on their way.
      assert(held() > 1_000_000 && held() < 4_000_000, `${held()}`);
      const { budget } = stage.harness.server;
      assert(budget!.held > 700_000, `${budget!.held}`);
      for (const client of clients) {
        client.raw.socket.resume();
        for (let count = 0; count < 10;) if ("data" in await client.take()) count++;
      }
      await settle();
      assertEquals(held(), 0);
    }));

  it("does not grow past the memory budget, however many do not read it", () =>
    withStage({}, ["x"], async (stage) => {
      for (let i = 0; i < 10; i++) stage.append("x", "y".repeat(100_000));
      stage.broker.connect();
      const first = await new ResumingClient(stage.harness).begin();
      await stage.arrive();
      await collect(first);
      const { budget } = stage.harness.server;
      for (let i = 0; i < 60; i++) {
        const client = await comeBack(stage, ["x"]);
        client.raw.socket.pause();
        await stage.arrive();
      }
      assert(budget!.held < 16 * 1024 * 1024 + 61 * 32 * 1024, `${budget!.held}`);
      const open = [...stage.harness.server.connections].length;
      assert(open < 40, `${open} are open`);
      assertEquals(first.conn.state, "open");
    }));
});
