import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { RetainedMessages, type TopicLog } from "../../src/topics/retention/retained_messages.ts";
import { PublishedMessage } from "../../src/topics/fan_out/published_message.ts";
import type { ResumeOptions } from "../../src/server/mod.ts";
import { collect } from "../support/collect_garbage.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { ResumingClient } from "./resuming_client.ts";

/** What each message counts for besides its bytes. */
const COST = 256;

/** What a client that was subscribed to `x` gets when it comes back, after something happened. */
async function missed(
  resume: Partial<ResumeOptions>,
  happen: (harness: MemoryHarness<unknown>) => void | Promise<void>,
): Promise<{ isLost: boolean; texts: string[] }> {
  let result: { isLost: boolean; texts: string[] } | undefined;
  await withMemoryServer({ resume }, async (harness) => {
    const client = await new ResumingClient(harness).begin();
    client.conn.subscribe("x");
    await client.note();
    client.reset();
    await settle();
    await happen(harness);
    await client.begin();
    client.conn.subscribe("x");
    const { isLost = false } = await client.note();
    harness.server.publish("x", "end");
    const texts: string[] = [];
    for (let text = ""; text !== "end"; texts.push(text)) text = await client.data() as string;
    result = { isLost, texts: texts.slice(0, -1) };
  });
  return result!;
}

const ALL = { isLost: false, texts: ["1", "2", "3"] };

/** Publishes what is to be missed. */
function publish({ server }: MemoryHarness<unknown>): void {
  for (const text of ALL.texts) server.publish("x", text);
}

describe("what is kept of a topic", () => {
  it("is kept for windowMs", async () => {
    for (const windowMs of [1_000, 120_000]) {
      const after = (ms: number) =>
        missed(windowMs === 120_000 ? {} : { windowMs }, async (harness) => {
          publish(harness);
          await harness.clock.advance(ms);
        });
      assertEquals(await after(windowMs - 1), ALL);
      assertEquals(await after(windowMs), { isLost: true, texts: [] });
      assertEquals(await after(windowMs + 1), { isLost: true, texts: [] });
    }
  });

  it("is kept for ever with Infinity", async () => {
    const kept = await missed({ windowMs: Infinity }, async (harness) => {
      publish(harness);
      await harness.clock.advance(1e9);
    });
    assertEquals(kept, ALL);
  });

  it("loses each message at its own time", async () => {
    const kept = await missed({ windowMs: 10_000 }, async (harness) => {
      for (const text of ["1", "2", "3", "4", "5"]) {
        harness.server.publish("x", text);
        await harness.clock.advance(3_000);
      }
    });
    assertEquals(kept, { isLost: true, texts: ["3", "4", "5"] });
  });

  it("has windowSize bytes, and 256 for each message", async () => {
    const size = 3 * (COST + 1);
    assertEquals(await missed({ windowSize: size + 1 }, publish), ALL);
    assertEquals(await missed({ windowSize: size }, publish), ALL);
    assertEquals(await missed({ windowSize: size - 1 }, publish), {
      isLost: true,
      texts: ["2", "3"],
    });
    assertEquals(await missed({ windowSize: 0 }, publish), { isLost: true, texts: [] });
  });

  it("has 1 MiB by default, counted in UTF-8", async () => {
    const count = async (text: string) => {
      const { texts } = await missed({}, ({ server }) => {
        for (let i = 0; i < 1_100; i++) server.publish("x", text);
      });
      return texts.length;
    };
    assertEquals(await count("é".repeat(384)), 1_024);
    assertEquals(await count(`${"é".repeat(384)}.`), 1_023);
  });

  it("has totalSize bytes together with all other topics", async () => {
    const both = (harness: MemoryHarness<unknown>) => {
      harness.server.publish("y", "before");
      publish(harness);
      harness.server.publish("z", "behind");
    };
    // The end of the subscription counts, too.
    const size = 5 * COST + 3 + 12 + COST;
    assertEquals(await missed({ totalSize: size }, both), ALL);
    assertEquals(await missed({ totalSize: size - 1 }, both), ALL);
    const few = { isLost: true, texts: ["3"] };
    assertEquals(await missed({ totalSize: 2 * COST + 7 }, both), few);
    assertEquals(await missed({ totalSize: 2 * COST + 6 }, both), { isLost: true, texts: [] });
    assertEquals(await missed({ totalSize: COST + 6 }, both), { isLost: true, texts: [] });
    assertEquals(await missed({ totalSize: 0 }, both), { isLost: true, texts: [] });
  });

  it("does not go for the sake of one message that is larger than the window", async () => {
    const kept = await missed({ windowSize: 1_000 }, ({ server }) => {
      server.publish("y", "other");
      server.publish("x", "1");
      server.publish("x", "!".repeat(1_000));
      server.publish("x", "3");
    });
    assertEquals(kept, { isLost: true, texts: ["3"] });
  });

  it("is known to be complete where it was lost before the client got so far", async () => {
    await withMemoryServer({ resume: { windowSize: 2 * (COST + 1) } }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      client.conn.subscribe("x");
      await client.note();
      for (const text of ["1", "2", "3"]) harness.server.publish("x", text);
      assertEquals(await client.texts(3), ["1", "2", "3"]);
      client.reset();
      await settle();
      for (const text of ["4", "5"]) harness.server.publish("x", text);
      await client.begin();
      client.conn.subscribe("x");
      assertEquals((await client.note()).isLost, undefined);
      assertEquals(await client.texts(2), ["4", "5"]);
    });
  });

  it("is known to be lost where the topic itself was forgotten, and came again", async () => {
    const lost = await missed({ windowMs: 1_000 }, async (harness) => {
      harness.server.publish("x", "1");
      await harness.clock.advance(5_000);
      harness.server.publish("x", "2");
    });
    assertEquals(lost, { isLost: true, texts: ["2"] });
  });

  it("is known to be complete where nothing was published, and nothing forgotten since", async () => {
    const nothing = await missed({ windowMs: 1_000 }, ({ clock }) => clock.advance(900));
    assertEquals(nothing, { isLost: false, texts: [] });
    // Nothing is known of the topic any more, but of others neither.
    const later = await missed({ windowMs: 1_000 }, ({ clock }) => clock.advance(900_000));
    assertEquals(later, { isLost: false, texts: [] });
  });

  it("stays where a topic has subscribers, though nothing comes for long", async () => {
    await withMemoryServer({ resume: { windowMs: 1_000 } }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      client.conn.subscribe("x");
      await client.note();
      harness.server.publish("x", "1");
      assertEquals(await client.data(), "1");
      for (let i = 0; i < 10; i++) {
        harness.server.publish("y", "other");
        await harness.clock.advance(900);
      }
      harness.server.publish("x", "2");
      assertEquals(await client.take(), { data: "2", topic: "x", position: client.positions.x });
    });
  });
});

describe("the memory that is kept", () => {
  function keep(window: { windowMs?: number; windowSize?: number; totalSize?: number }) {
    const clock = new FakeClock();
    const forgotten: TopicLog[] = [];
    const all = { windowMs: 120_000, windowSize: 1e9, totalSize: 1e9, ...window };
    const kept = new RetainedMessages(all, clock, (log) => void forgotten.push(log));
    let last = 0;
    const add = (topic: string, size: number) => {
      const log = kept.get(topic) ?? kept.open(topic, last);
      const data = new Uint8Array(size);
      kept.add(log, new PublishedMessage({ data }), ++last);
      return log;
    };
    return { clock, kept, forgotten, add };
  }

  it("is bounded, however many topics there are", () => {
    const { kept, add } = keep({ totalSize: 100_000 });
    for (let i = 0; i < 10_000; i++) {
      add(`topic ${i}`, i % 100);
      assert(kept.size <= 100_000 && kept.topicCount <= 100_000 / COST, `${kept.size}`);
    }
    assert(kept.size > 99_000);
  });

  it("is bounded, however many topics were subscribed to for a moment", () => {
    const { kept } = keep({ totalSize: 100_000 });
    for (let i = 0; i < 10_000; i++) {
      const log = kept.open(`topic ${i}`);
      log.isInUse = true;
      kept.leave(log);
      kept.leave(log);
      assert(kept.size <= 100_000 && kept.topicCount <= 100_000 / COST, `${kept.topicCount}`);
    }
  });

  it("is bounded, however large messages are", () => {
    const { kept, add } = keep({ windowSize: 10_000, totalSize: 25_000 });
    for (let i = 0; i < 1_000; i++) {
      const log = add(`topic ${i % 5}`, (i * 7919) % 12_000);
      assert(log.size <= 10_000 && kept.size <= 25_000, `${log.size} ${kept.size}`);
    }
    assert(kept.size > 10_000);
  });

  it("is all given back when its time is over", async () => {
    const { clock, kept, forgotten, add } = keep({});
    for (let i = 0; i < 100; i++) add(`topic ${i % 7}`, i);
    await clock.advance(120_000);
    assertEquals([kept.size, kept.topicCount, forgotten.length, clock.pending], [0, 0, 7, []]);
    assertEquals(forgotten.map(({ last }) => last).sort((a, b) => a - b), [
      ...[94, 95, 96, 97, 98, 99, 100],
    ]);
  });

  it("is looked through once a second at most, and all is in order meanwhile", async () => {
    const { clock, kept, add } = keep({ windowMs: 5_000 });
    let fired = 0;
    const { setTimeout } = clock;
    clock.setTimeout = function (callback, delayMs) {
      return setTimeout.call(clock, () => {
        fired++;
        callback();
      }, delayMs);
    };
    for (let i = 0; i < 100; i++) {
      add("x", 1);
      await clock.stall(100);
    }
    assert(fired <= 11, `${fired}`);
    assert(kept.get("x")!.length <= 51);
    assertEquals(clock.pending.length, 1);
    kept.clear();
    assertEquals([kept.size, kept.topicCount, clock.pending], [0, 0, []]);
  });

  it("is that of the messages that there are: what is dropped is held by nobody", async () => {
    const { kept } = keep({ windowSize: 100_000 });
    const log = kept.open("x");
    const messages: WeakRef<PublishedMessage>[] = [];
    const add = () => {
      const data = new Uint8Array(9_000);
      const message = new PublishedMessage({ data });
      messages.push(new WeakRef(message));
      kept.add(log, message, messages.length);
    };
    while (messages.length < 19) add();
    await settle();
    collect();
    await settle();
    assertEquals(log.length, 10);
    const held = messages.filter((message) => message.deref() !== undefined).length;
    // The engine may still see one from the stack.
    assert(held <= 11, `${held} messages are held`);
  });

  it("is given back, and no timer left, when the server has shut down", async () => {
    await withMemoryServer({ resume: true }, async (harness) => {
      harness.server.publish("x", "1");
      assertEquals(harness.clock.pending.length, 1);
      await harness.server.shutdown();
      assertEquals(harness.clock.pending, []);
      harness.server.publish("x", "2");
      assertEquals(harness.clock.pending, []);
    });
  });
});

describe("topics that are too long to be told of", () => {
  it("can't be kept", async () => {
    await withMemoryServer({ resume: { topics: (name) => name[0] !== "n" } }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      const [long, longer] = ["\x01".repeat(1_024), "é".repeat(513)];
      client.conn.subscribe(long);
      assertEquals((await client.note()).topic, long);
      const wanted = "A topic must have at most 1024 bytes with resume, got 1026";
      assertThrows(() => client.conn.subscribe(longer), RangeError, wanted);
      assertThrows(() => harness.server.publish(longer, ""), RangeError, wanted);
      assertEquals([...client.conn.topics], [long]);
      assertEquals(harness.server.subscriberCount(longer), 0);
      client.conn.subscribe(`n${longer}`);
      harness.server.publish(`n${longer}`, "1");
      assertEquals(await client.take(), { data: "1" });
    });
  });
});
