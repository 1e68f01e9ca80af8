// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { LagPolicy, SubscribeOptions, Subscription } from "../../src/server/mod.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { ResumingClient } from "./resuming_client.ts";

const SIZE = 1_000;
const LIMITS = { sendHighWaterMark: 2_500, sendQueueSize: 10_000 };
const POLICIES: LagPolicy[] = ["close", "drop-oldest", "drop-newest", "latest"];
/** What is on its way before others have to wait. */
const UNDER_WAY = 3;

/** A message with a number, of `SIZE` bytes. */
function numbered(number: number): string {
  return `${number} `.padEnd(SIZE, ".");
}

/** Publishes messages, each in a turn of its own. */
async function publish(
  { server }: MemoryHarness<unknown>,
  from: number,
  to: number,
  topic = "x",
): Promise<void> {
  for (let i = from; i < to; i++) {
    server.publish(topic, numbered(i), { key: `${i}` });
    await settle(1);
  }
}

/** Gives the numbers from one to another. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Reads what there is, up to the end of it; gives the numbers, and with which code it was closed. */
async function readAll(client: ResumingClient): Promise<{ numbers: number[]; code?: number }> {
  const { raw } = client;
  const numbers: number[] = [];
  raw.socket.resume();
  for (;;) {
    await settle();
    if (raw.unreadSize === 0) return { numbers };
    if (raw.unreadSize < SIZE && client.conn.state !== "open") {
      return { numbers, code: (await raw.readClose())[0] };
    }
    const taken = await client.take();
    if ("data" in taken) numbers.push(parseInt(taken.data as string));
  }
}

/** Runs a server, to which a client comes back that does not read, after so many messages. */
function withSlowClient(
  missed: number,
  options: SubscribeOptions,
  body: (
    harness: MemoryHarness<unknown>,
    client: ResumingClient,
    subscription: Subscription,
  ) => Promise<void>,
): Promise<void> {
  const setup = { limits: LIMITS, memoryBudget: false, resume: true } as const;
  return withMemoryServer(setup, async (harness) => {
    const client = await new ResumingClient(harness).begin();
    client.conn.subscribe("x");
    client.conn.subscribe("y");
    await client.note();
    await client.note();
    client.reset();
    await settle();
    for (let i = 0; i < missed; i++) harness.server.publish("x", numbered(i), { key: `${i}` });
    await client.begin();
    client.raw.socket.pause();
    const subscription = client.conn.subscribe("x", options);
    await body(harness, client, subscription);
  });
}

for (const lag of POLICIES) {
  describe(`a client that comes back and does not read, where lag is "${lag}"`, () => {
    it("gets all that it missed, however much it is, and then what is published", async () => {
      await withSlowClient(50, { lag }, async (harness, { conn }, subscription) => {
        assert(conn.bufferedAmount < 4 * (SIZE + 50), `${conn.bufferedAmount}`);
        await publish(harness, 50, 60);
        assertEquals([conn.state, subscription.dropped], ["open", 0]);
        assert(conn.bufferedAmount < 4 * (SIZE + 50), `${conn.bufferedAmount}`);
      });
    });

    it("gets all that it missed, though nothing else may wait", async () => {
      await withSlowClient(20, { lag, queueSize: 0 }, async (_, client, subscription) => {
        assertEquals(await readAll(client), { numbers: range(0, 20) });
        assertEquals([client.conn.state, subscription.dropped], ["open", 0]);
      });
    });

    it("gets it in order, whenever it reads", async () => {
      await withSlowClient(50, { lag }, async (harness, client, subscription) => {
        await publish(harness, 50, 55);
        client.raw.socket.take(4 * SIZE);
        await publish(harness, 55, 60);
        client.raw.socket.take(20 * SIZE);
        await publish(harness, 60, 62);
        assertEquals(await readAll(client), { numbers: range(0, 62) });
        await publish(harness, 62, 64);
        assertEquals(await readAll(client), { numbers: range(62, 64) });
        assertEquals([client.conn.state, subscription.dropped], ["open", 0]);
      });
    });

    it("gets it in order beside that of other topics", async () => {
      await withSlowClient(30, { lag }, async (harness, client) => {
        client.conn.subscribe("y", { lag });
        await publish(harness, 30, 33, "y");
        await publish(harness, 33, 36, "x");
        await publish(harness, 36, 39, "y");
        const { numbers } = await readAll(client);
        const own = [...range(0, 30), ...range(33, 36)];
        assertEquals(numbers.filter((number) => own.includes(number)), own);
        const others = [...range(30, 33), ...range(36, 39)];
        assertEquals(numbers.filter((number) => !own.includes(number)), others);
      });
    });

    it("may be lost again meanwhile, and comes back once more", async () => {
      await withSlowClient(20, { lag }, async (harness, client) => {
        await publish(harness, 20, 25);
        client.raw.socket.take(5 * SIZE);
        const first = [];
        await client.note();
        while (client.raw.unreadSize > SIZE + 50) {
          first.push(parseInt(await client.data() as string));
        }
        client.reset();
        await settle();
        await publish(harness, 25, 30);
        await client.begin();
        client.conn.subscribe("x", { lag });
        const { numbers } = await readAll(client);
        assert(first.length > 0 && numbers.length > 0);
        assertEquals([...first, ...numbers], range(0, 30));
      });
    });

    it("may leave, and what waits is dropped, counted, and told", async () => {
      await withSlowClient(20, { lag }, async (harness, client, subscription) => {
        client.conn.unsubscribe("x");
        const dropped = 20 - UNDER_WAY;
        assertEquals([subscription.dropped, harness.server.stats().messagesDropped], [
          dropped,
          dropped,
        ]);
        client.conn.subscribe("x", { lag });
        await publish(harness, 20, 22);
        assertEquals(await readAll(client), { numbers: [...range(0, UNDER_WAY), 20, 21] });
        assertEquals(client.lost, ["x"]);
      });
    });

    it("may be subscribed again, and gets all that waits", async () => {
      await withSlowClient(20, { lag }, async (harness, client, subscription) => {
        await publish(harness, 20, 25);
        assertEquals(client.conn.subscribe("x", { lag, presence: true }), subscription);
        await publish(harness, 25, 30);
        client.conn.subscribe("x", { lag, presence: { key: "a" } });
        assertEquals(await readAll(client), { numbers: range(0, 30) });
        assertEquals([client.conn.state, subscription.dropped, client.lost], ["open", 0, []]);
      });
    });

    it("may be subscribed again, be lost before it has all, and gets the rest", async () => {
      await withSlowClient(20, { lag }, async (harness, client) => {
        client.conn.subscribe("x", { lag });
        await settle();
        client.raw.socket.take(5 * SIZE);
        await client.note();
        const first = await client.texts(2);
        client.reset();
        await settle();
        await client.begin();
        client.conn.subscribe("x", { lag });
        const { numbers } = await readAll(client);
        assertEquals([...first.map((text) => parseInt(text)), ...numbers], range(0, 20));
        assertEquals([client.lost, harness.server.stats().messagesDropped], [[], 0]);
      });
    });

    it("may be subscribed again with another policy, and is told where it gets less", async () => {
      for (const after of POLICIES) {
        await withSlowClient(20, { lag }, async (harness, client, subscription) => {
          await publish(harness, 20, 24);
          client.conn.subscribe("x", { lag: after, queueSize: 4 * SIZE });
          assertEquals([subscription.dropped, client.conn.state], [0, "open"]);
          client.conn.subscribe("x", { lag: "drop-newest", queueSize: 2 * SIZE });
          assertEquals([subscription.dropped, client.conn.state], [2, "open"]);
          assertEquals(harness.server.stats().messagesDropped, 2);
          assertEquals(await readAll(client), { numbers: range(0, 22) });
          assertEquals(client.lost, ["x"]);
        });
      }
    });
  });
}

describe("what is published behind what a client missed, that does not read", () => {
  const queueSize = 5 * SIZE;

  it('is waited for up to queueSize, where lag is "close"', async () => {
    await withSlowClient(20, { queueSize }, async (harness, client, subscription) => {
      await publish(harness, 20, 25);
      assertEquals([client.conn.state, subscription.dropped], ["open", 0]);
      await publish(harness, 25, 26);
      assertEquals([client.conn.state, subscription.dropped], ["closing", 1]);
      assertEquals(await readAll(client), { numbers: range(0, UNDER_WAY), code: 1013 });
      client.raw.sendClose(1013);
      await client.raw.finish();
      await client.begin();
      client.conn.subscribe("x", { queueSize });
      assertEquals(await readAll(client), { numbers: range(UNDER_WAY, 26) });
    });
  });

  it('is not waited for past queueSize, where lag is "drop-newest"', async () => {
    const options = { lag: "drop-newest", queueSize } as const;
    await withSlowClient(20, options, async (harness, client, subscription) => {
      await publish(harness, 20, 30);
      assertEquals([client.conn.state, subscription.dropped], ["open", 5]);
      assertEquals(await readAll(client), { numbers: range(0, 25) });
    });
  });

  it('has the older ones dropped past queueSize, where lag is "drop-oldest"', async () => {
    const options = { lag: "drop-oldest", queueSize } as const;
    await withSlowClient(20, options, async (harness, client, subscription) => {
      await publish(harness, 20, 30);
      const { numbers } = await readAll(client);
      assertEquals(client.conn.state, "open");
      assertEquals(numbers.slice(0, UNDER_WAY), range(0, UNDER_WAY));
      assertEquals(numbers.slice(-5), range(25, 30));
      assertEquals(numbers.length + subscription.dropped, 30);
    });
  });

  it('takes the place of the one with its key, where lag is "latest"', async () => {
    await withSlowClient(20, { lag: "latest" }, async (harness, client, subscription) => {
      for (const key of [5, 1, 10]) {
        harness.server.publish("x", numbered(100 + key), { key: `${key}` });
        await settle(1);
      }
      const { numbers } = await readAll(client);
      const rest = range(UNDER_WAY, 20).filter((number) => number !== 5 && number !== 10);
      assertEquals(numbers, [...range(0, UNDER_WAY), ...rest, 105, 101, 110]);
      assertEquals(subscription.dropped, 2);
    });
  });
});
