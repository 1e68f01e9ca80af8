// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Address } from "../../mod.ts";
import type { Subscriber } from "../../src/topics/fan_out/subscriber.ts";
import { resolveResume } from "../../src/server/resume_options.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { PublishedMessage } from "../../src/topics/fan_out/published_message.ts";
import { ReplayAllowance } from "../../src/topics/retention/replay_allowance.ts";
import type { ResumeOptions } from "../../src/server/mod.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { ResumingClient } from "./resuming_client.ts";

/** What each message counts for besides its bytes. */
const COST = 256;
const MIB = 1024 * 1024;

function withServer(
  resume: Partial<ResumeOptions> | boolean,
  body: (harness: MemoryHarness<unknown>) => Promise<void>,
): Promise<void> {
  return withMemoryServer({ resume, open: (conn) => void conn.subscribe("x") }, body);
}

/** Gives the position of a client that is subscribed to `x`, and has nothing of what follows. */
async function positionOf(harness: MemoryHarness<unknown>): Promise<string> {
  const client = await new ResumingClient(harness).begin();
  await client.note();
  client.reset();
  await settle();
  return client.positions.x;
}

/** What a client draws that says it got so far, from an address. */
async function draw(
  harness: MemoryHarness<unknown>,
  position: string,
  hostname = "192.0.2.1",
): Promise<{ isLost: boolean; texts: string[] }> {
  const client = new ResumingClient(harness);
  client.positions.x = position;
  await client.open();
  const channel = harness.channelOf(client.raw) as { remoteAddress: Address };
  channel.remoteAddress = { transport: "tcp", hostname, port: 1 };
  client.sendHello();
  await client.note();
  const { isLost = false } = await client.note();
  void client.conn.send("the end");
  const texts: string[] = [];
  for (let text = ""; text !== "the end"; texts.push(text)) text = await client.data() as string;
  client.reset();
  await settle();
  return { isLost, texts: texts.slice(0, -1) };
}

describe("what one address draws of what is kept", () => {
  const texts = ["1", "2", "3", "4"];
  const size = texts.length * (COST + 1);

  for (const allowed of [size, size * 3, size * 3 + 1]) {
    it(`is ${allowed} bytes in a minute, and its clients are told what they lost`, async () => {
      await withServer({ replaySizePerMinute: allowed }, async (harness) => {
        const position = await positionOf(harness);
        for (const text of texts) harness.server.publish("x", text);
        for (let left = allowed; left >= size; left -= size) {
          assertEquals(await draw(harness, position), { isLost: false, texts });
        }
        for (let i = 0; i < 5; i++) {
          assertEquals(await draw(harness, position), { isLost: true, texts: [] });
        }
        // Another one has its own.
        assertEquals(await draw(harness, position, "192.0.2.9"), { isLost: false, texts });
        // In time it is there again, bit by bit.
        await harness.clock.advance(60_000 * (COST * 2 + 2) / allowed + 1);
        assertEquals(await draw(harness, position), { isLost: true, texts: ["3", "4"] });
        await harness.clock.advance(60_000);
        assertEquals(await draw(harness, position), { isLost: false, texts });
      });
    });
  }

  it("is 64 MiB in a minute by default", async () => {
    await withServer({ windowSize: 100 * MIB, totalSize: 100 * MIB }, async (harness) => {
      const position = await positionOf(harness);
      for (let i = 0; i < 9; i++) harness.server.publish("x", `${i}`.repeat(8 * MIB - COST));
      const { isLost, texts } = await draw(harness, position);
      assertEquals([isLost, texts.length, texts[0][0]], [true, 8, "1"]);
      assertEquals(await draw(harness, position), { isLost: true, texts: [] });
    });
  });

  it("has no bound with Infinity, and is nothing with 0", async () => {
    await withServer({ replaySizePerMinute: Infinity }, async (harness) => {
      const position = await positionOf(harness);
      harness.server.publish("x", "y".repeat(500_000));
      for (let i = 0; i < 200; i++) assertEquals((await draw(harness, position)).isLost, false);
    });
    await withServer({ replaySizePerMinute: 0 }, async (harness) => {
      const position = await positionOf(harness);
      // Where nothing was missed, nothing is lost.
      assertEquals(await draw(harness, position), { isLost: false, texts: [] });
      harness.server.publish("x", "1");
      assertEquals(await draw(harness, position), { isLost: true, texts: [] });
    });
  });

  it("is told such that the client goes on behind it", async () => {
    await withServer({ replaySizePerMinute: COST + 1 }, async (harness) => {
      const client = new ResumingClient(harness);
      client.positions.x = await positionOf(harness);
      for (const text of texts) harness.server.publish("x", text);
      await client.begin();
      const note = await client.note();
      assertEquals([note.isLost, note.position?.split(".")[1]], [true, "3"]);
      assertEquals(await client.data(), "4");
      harness.server.publish("x", "5");
      assertEquals(await client.data(), "5");
    });
  });

  it("counts for all connections of the address, and all topics", async () => {
    const setup = { resume: { replaySizePerMinute: 3 * (COST + 1) } };
    await withMemoryServer(setup, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      const topics = ["a", "b", "c", "d", "e"];
      await subscribeAndLeave(client, topics);
      for (const topic of topics) harness.server.publish(topic, "1");
      await client.begin();
      for (const topic of topics) client.conn.subscribe(topic);
      const lost: string[] = [];
      for (let count = 0; count < 8; count++) {
        const taken = await client.take();
        if ("note" in taken && taken.note.isLost) lost.push(taken.note.topic!);
      }
      assertEquals(lost, ["d", "e"]);
    });
  });

  it("is a number of bytes from 0 on", () => {
    for (const replaySizePerMinute of [-1, 1.5, NaN, "1", null] as number[]) {
      const resolve = () => resolveResume({ replaySizePerMinute }, undefined, () => {});
      const ErrorClass = typeof replaySizePerMinute === "number" ? RangeError : TypeError;
      assertThrows(resolve, ErrorClass, "resume.replaySizePerMinute");
    }
  });
});

describe("the allowances of addresses", () => {
  const message = (number: number, size: number) => {
    const place = { topic: 1, position: { epoch: "e", number } };
    return new PublishedMessage({ data: "x".repeat(size) }, place);
  };
  const from = { epoch: "e", number: 0 };
  const missed = [message(1, 1_000 - COST), message(2, 1_000 - COST)];
  const take = (allowance: ReplayAllowance, address: string) => {
    const replay = { from, isLost: false, missed };
    return allowance.take({ address } as Subscriber, replay).missed.length;
  };

  it("are those of 10,000 addresses at most, and for a minute at most", async () => {
    const clock = new FakeClock();
    const allowance = new ReplayAllowance(3_000, clock);
    for (let i = 0; i < 30_000; i++) take(allowance, `${i}`);
    assertEquals(allowance.addressCount, 10_000);
    // Those that came last are known.
    assertEquals([take(allowance, "29999"), take(allowance, "20001")], [1, 1]);
    await clock.advance(59_999);
    assertEquals([take(allowance, "1"), allowance.addressCount], [2, 10_000]);
    await clock.advance(1);
    assertEquals([take(allowance, "2"), allowance.addressCount], [2, 2]);
    assertEquals(clock.pending, []);
  });

  it("are taken from whole messages, the newest first", () => {
    for (const [size, count] of [[0, 0], [999, 0], [1_000, 1], [1_999, 1], [2_000, 2]]) {
      const allowance = new ReplayAllowance(size, new FakeClock());
      assertEquals(take(allowance, "a"), count, `${size}`);
    }
  });
});

async function subscribeAndLeave(client: ResumingClient, topics: string[]): Promise<void> {
  for (const topic of topics) {
    client.conn.subscribe(topic);
    await client.note();
  }
  client.reset();
  await settle();
}

describe("what waits for a client that is slow to read what it missed", () => {
  it("counts for the memory that it takes, until it is sent or not wanted any more", async () => {
    await withMemoryServer({ resume: true }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      const topics = ["a", "b", "c", "d"];
      await subscribeAndLeave(client, topics);
      for (const topic of topics) {
        harness.server.publish(topic, "x".repeat(300_000));
        for (let i = 0; i < 1_000; i++) harness.server.publish(topic, "");
      }
      await client.begin();
      client.raw.socket.pause();
      const { conn } = client;
      const held = () => harness.server.stats().heldSize;
      const lag = { d: "latest", c: "drop-oldest" } as const;
      for (const topic of topics) conn.subscribe(topic, { lag: lag[topic as "c"] ?? "close" });
      const before = held();
      // What waits, and the frame of a message that is on its way: the window has the message alone.
      const least = 3_000 * 64 + 300_000;
      assert(before > least && before < least + 100_000, `${before}`);
      assert(harness.server.budget!.held >= 3_000 * 64, `${harness.server.budget!.held}`);
      conn.unsubscribe("b");
      assert(held() <= before - 1_000 * 64, `${held()}`);
      const kept = held();
      conn.subscribe("c");
      assertEquals(held(), kept);
      conn.unsubscribe("c");
      assert(held() <= before - 2_000 * 64, `${held()}`);
      client.raw.socket.resume();
      void conn.send("the end");
      for (;;) {
        const taken = await client.take();
        if ("data" in taken && taken.data === "the end") break;
      }
      await settle();
      assertEquals(held(), 0);
    });
  });

  it("counts for it as soon as the window does not have it any more, once for all who wait", async () => {
    const resume = { windowMs: 60_000 };
    await withMemoryServer({ resume, keepAlive: false }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      const topics = ["a", "b", "c"];
      await subscribeAndLeave(client, topics);
      for (const topic of topics) {
        for (let i = 0; i < 10; i++) harness.server.publish(topic, new Uint8Array(50_000).fill(i));
      }
      const size = topics.length * 10 * 50_000;
      const readers: ResumingClient[] = [];
      for (let i = 0; i < 4; i++) {
        const reader = new ResumingClient(harness);
        reader.positions = { ...client.positions };
        await reader.begin();
        reader.raw.socket.pause();
        for (const topic of topics) {
          reader.conn.subscribe(topic, { lag: topic === "c" ? "drop-oldest" : "close" });
        }
        readers.push(reader);
      }
      const held = () => harness.server.stats().heldSize;
      const { budget } = harness.server;
      // It is the window that has it, and counts it.
      assert(held() < 500_000, `${held()}`);
      await harness.clock.advance(61_000);
      assertEquals(harness.server.stats().keptSize, 0);
      for (let left = readers.length; left > 0; left--) {
        const now = held();
        assert(now > size / 1.5 && now < size * 1.5, `${left}: ${now} of ${size}`);
        assert(budget!.held > size / 1.5 && budget!.held < size * 1.5, `${left}: ${budget!.held}`);
        const reader = readers.shift()!;
        if (left === 4) {
          reader.reset();
        } else if (left === 3) {
          for (const topic of topics) reader.conn.unsubscribe(topic);
          reader.reset();
        } else if (left === 2) {
          reader.conn.abort();
          reader.reset();
        } else {
          reader.raw.socket.resume();
          for (let count = 0; count < 30;) if ("data" in await reader.take()) count++;
          await settle();
          assertEquals(reader.conn.stats().heldSize, 0);
        }
        await settle();
      }
      assertEquals(budget!.held, 0);
    });
  });
});
