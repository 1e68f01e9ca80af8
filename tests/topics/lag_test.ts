import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, SubscribeOptions, Subscription } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import type { RawClient } from "../support/raw_client.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const SIZE = 1_000;
const LIMITS = { sendHighWaterMark: 2_500, sendQueueSize: 10_000 };

/** A client that does not read, and its subscription. */
interface Slow {
  client: RawClient<MemorySocket>;
  conn: Connection;
  subscription: Subscription;
}

/** A message with a number, of `SIZE` bytes. */
function numbered(number: number): string {
  return `${number} `.padEnd(SIZE, ".");
}

/** Runs a server with a client that does not read, and one that does. */
function withSlowClient(
  options: SubscribeOptions,
  body: (harness: MemoryHarness<unknown>, slow: Slow, fast: RawClient) => Promise<void>,
  setup: Setup<unknown> = {},
): Promise<void> {
  return withMemoryServer({ limits: LIMITS, memoryBudget: false, ...setup }, async (harness) => {
    const { client, conn } = await harness.openPair();
    const subscription = conn.subscribe("x", options);
    const fast = await harness.openPair();
    fast.conn.subscribe("x");
    client.socket.pause();
    await body(harness, { client, conn, subscription }, fast.client);
  });
}

/** Publishes messages, each in a turn of its own, and expects the fast client to get them. */
async function publish(
  harness: MemoryHarness<unknown>,
  fast: RawClient,
  from: number,
  to: number,
  key?: (number: number) => string,
): Promise<void> {
  for (let i = from; i < to; i++) {
    harness.server.publish("x", numbered(i), { key: key?.(i) });
    assertEquals(await fast.readMessage(), numbered(i));
  }
}

async function readNumbers(client: RawClient, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) numbers.push(parseInt(await client.readMessage() as string));
  return numbers;
}

describe("a subscriber that does not read", () => {
  it('is closed with 1013 past sendQueueSize, where lag is "close"', async () => {
    await withSlowClient({}, async (harness, { client, conn, subscription }, fast) => {
      await publish(harness, fast, 0, 20);
      assertEquals(conn.state, "closing");
      assertEquals(subscription.dropped, 1);
      client.socket.resume();
      const sent = await readNumbers(client, 9);
      assertEquals(sent, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      const [code, reason] = await client.readClose();
      assertEquals(code, 1013);
      assert(reason.includes("too slowly"));
      client.sendClose(1013);
      await client.finish();
      assertEquals((await conn.closed).closeCode, 1013);
    });
  });

  it("is closed with another code where the program says so", async () => {
    await withSlowClient({ closeCode: 4001 }, async (harness, { client, conn }, fast) => {
      await publish(harness, fast, 0, 20);
      client.socket.resume();
      await readNumbers(client, 9);
      assertEquals((await client.readClose())[0], 4001);
      client.sendClose(4001);
      await client.finish();
      await conn.closed;
    });
  });

  it('misses the oldest, where lag is "drop-oldest"', async () => {
    const options = { lag: "drop-oldest", queueSize: 5 * SIZE } as const;
    await withSlowClient(options, async (harness, { client, conn, subscription }, fast) => {
      await publish(harness, fast, 0, 50);
      assertEquals(conn.state, "open");
      assert(conn.bufferedAmount < 4 * SIZE, String(conn.bufferedAmount));
      client.socket.resume();
      // What was on its way already, and what waited.
      assertEquals(await readNumbers(client, 8), [0, 1, 2, 45, 46, 47, 48, 49]);
      assertEquals(subscription.dropped, 42);
      await publish(harness, fast, 50, 52);
      assertEquals(await readNumbers(client, 2), [50, 51]);
    });
  });

  it('misses the newest, where lag is "drop-newest"', async () => {
    const options = { lag: "drop-newest", queueSize: 5 * SIZE } as const;
    await withSlowClient(options, async (harness, { client, subscription }, fast) => {
      await publish(harness, fast, 0, 50);
      client.socket.resume();
      assertEquals(await readNumbers(client, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
      assertEquals(subscription.dropped, 42);
      await publish(harness, fast, 50, 52);
      assertEquals(await readNumbers(client, 2), [50, 51]);
    });
  });

  it('gets the latest of each key, where lag is "latest"', async () => {
    await withSlowClient({ lag: "latest" }, async (harness, slow, fast) => {
      const { client, subscription } = slow;
      await publish(harness, fast, 0, 50, (i) => `key ${i % 3}`);
      client.socket.resume();
      assertEquals(await readNumbers(client, 6), [0, 1, 2, 47, 48, 49]);
      assertEquals(subscription.dropped, 44);
      await publish(harness, fast, 50, 52);
      assertEquals(await readNumbers(client, 2), [50, 51]);
    });
  });

  it("holds nothing at all with a queueSize of 0", async () => {
    for (const lag of ["drop-oldest", "drop-newest"] as const) {
      await withSlowClient(
        { lag, queueSize: 0 },
        async (harness, { client, subscription }, fast) => {
          await publish(harness, fast, 0, 10);
          client.socket.resume();
          assertEquals(await readNumbers(client, 3), [0, 1, 2]);
          assertEquals(subscription.dropped, 7);
        },
      );
    }
  });

  it("gets the messages of several topics in their order", async () => {
    const options = { lag: "drop-oldest" } as const;
    await withSlowClient(options, async (harness, { client, conn }, fast) => {
      conn.subscribe("y", options);
      conn.subscribe("z", { lag: "latest" });
      const { server } = harness;
      for (let i = 0; i < 12; i++) {
        server.publish("xyz"[i % 3], numbered(i), { key: String(i) });
        await settle();
      }
      client.socket.resume();
      assertEquals(await readNumbers(client, 12), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      assertEquals(await readNumbers(fast, 4), [0, 3, 6, 9]);
    });
  });

  it("may unsubscribe, and what waits is dropped", async () => {
    await withSlowClient({ lag: "drop-oldest" }, async (harness, { client, conn }, fast) => {
      await publish(harness, fast, 0, 10);
      conn.unsubscribe("x");
      client.socket.resume();
      assertEquals(await readNumbers(client, 3), [0, 1, 2]);
      await conn.send("last");
      assertEquals(await client.readMessage(), "last");
    });
  });

  it("does not count what others send too as its own", async () => {
    await withSlowClient({}, async (harness, { client, conn }, fast) => {
      await publish(harness, fast, 0, 5);
      assert(conn.bufferedAmount >= 5 * SIZE);
      assertEquals(conn.stats().heldSize, 0);
      client.socket.resume();
      await readNumbers(client, 5);
      assertEquals([conn.bufferedAmount, conn.stats().heldSize], [0, 0]);
    });
  });

  it("misses all that waits where one message is more than may wait", async () => {
    const options = { lag: "drop-oldest", queueSize: 2 * SIZE } as const;
    await withSlowClient(options, async (harness, { client, subscription }, fast) => {
      await publish(harness, fast, 0, 5);
      harness.server.publish("x", "!".repeat(5 * SIZE));
      assertEquals((await fast.readMessage() as string).length, 5 * SIZE);
      assertEquals(subscription.dropped, 3);
      client.socket.resume();
      assertEquals(await readNumbers(client, 3), [0, 1, 2]);
      await publish(harness, fast, 5, 6);
      assertEquals(await readNumbers(client, 1), [5]);
    });
  });

  it("may subscribe again with other options, and what waits is dropped", async () => {
    await withSlowClient({ lag: "drop-oldest" }, async (harness, { client, conn }, fast) => {
      await publish(harness, fast, 0, 6);
      const subscription = conn.subscribe("x", { lag: "latest" });
      await publish(harness, fast, 6, 9);
      assertEquals(subscription.dropped, 2);
      assertEquals(harness.server.subscriberCount("x"), 2);
      client.socket.resume();
      assertEquals(await readNumbers(client, 4), [0, 1, 2, 8]);
    });
  });

  it("gets a burst in one turn within the same bounds", async () => {
    await withSlowClient(
      { lag: "drop-oldest", queueSize: 3 * SIZE },
      async (harness, slow, fast) => {
        for (let i = 0; i < 9; i++) harness.server.publish("x", numbered(i));
        assertEquals(await readNumbers(fast, 9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        slow.client.socket.resume();
        assertEquals(await readNumbers(slow.client, 6), [0, 1, 2, 6, 7, 8]);
      },
    );
  });
});

describe("a subscriber to whom a message is streamed", () => {
  it("gets what is published meanwhile behind it", async () => {
    await withMemoryServer({}, async (harness) => {
      const { client, conn } = await harness.openPair();
      conn.subscribe("x");
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      const sending = conn.sendStream("binary", readable);
      await writer.write(Uint8Array.of(1));
      await settle();
      harness.server.publish("x", "1");
      harness.server.publish("x", "2");
      await settle();
      await writer.write(Uint8Array.of(2));
      await writer.close();
      await sending;
      assertEquals(await client.readMessage(), Uint8Array.of(1, 2));
      assertEquals(await client.readMessage(), "1");
      assertEquals(await client.readMessage(), "2");
      assertEquals(conn.bufferedAmount, 0);
    });
  });
});
