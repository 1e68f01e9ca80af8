import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { ServerConnection, SubscribeOptions, Subscription } from "../../src/server/mod.ts";
import type { MemoryChannel, MemorySocket } from "../support/memory_channel.ts";
import { type RawClient, utf8 } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import {
  type MemoryHarness,
  type Setup,
  withConnection,
  withMemoryServer,
} from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const SIZE = 1_000;
const LIMITS = { sendHighWaterMark: 2_500, sendQueueSize: 10_000 };

/** A client that does not read, and its subscription. */
interface Slow {
  client: RawClient<MemorySocket>;
  conn: ServerConnection;
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
  return withConnection(
    { limits: LIMITS, memoryBudget: false, ...setup },
    async ({ server: harness, client, conn }) => {
      const subscription = conn.subscribe("x", options);
      const fast = await harness.openPair();
      fast.conn.subscribe("x");
      client.socket.pause();
      await body(harness, { client, conn, subscription }, fast.client);
    },
  );
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

  it("may unsubscribe, and what waits is dropped, and counted", async () => {
    await withSlowClient({ lag: "drop-oldest" }, async (harness, slow, fast) => {
      const { client, conn, subscription } = slow;
      await publish(harness, fast, 0, 10);
      conn.unsubscribe("x");
      assertEquals([subscription.dropped, harness.server.stats().messagesDropped], [7, 7]);
      const next = conn.subscribe("x", { lag: "drop-oldest" });
      conn.unsubscribe("x");
      assertEquals([next.dropped, harness.server.stats().messagesDropped], [0, 7]);
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

describe("a subscriber that does not read, and subscribes again", () => {
  const key = (number: number) => `${number}`;
  /** What is not on its way yet waits. */
  const waiting = [3, 4, 5, 6, 7, 8, 9];

  /** Subscribes again behind ten messages; gives which of those that waited come, with what was dropped. */
  async function resubscribe(
    before: SubscribeOptions,
    after: SubscribeOptions,
  ): Promise<unknown[]> {
    let result: unknown[] = [];
    await withSlowClient(before, async (harness, { client, conn, subscription }, fast) => {
      await publish(harness, fast, 0, 10, key);
      const again = conn.subscribe("x", after);
      const { messagesDropped, subscriptions } = harness.server.stats();
      assertEquals([again.dropped, subscription.dropped], [messagesDropped, messagesDropped]);
      assertEquals([subscriptions, conn.state], [2, "open"]);
      client.socket.resume();
      await settle();
      await publish(harness, fast, 10, 11, key);
      const numbers = await readNumbers(client, 11 - messagesDropped);
      assertEquals([...numbers.slice(0, 3), numbers.at(-1)], [0, 1, 2, 10]);
      assertEquals([conn.bufferedAmount, conn.stats().heldSize], [0, 0]);
      result = [numbers.slice(3, -1), messagesDropped];
    });
    return result;
  }

  for (const lag of ["drop-oldest", "drop-newest", "latest"] as const) {
    it(`gets all that waits, where lag is still "${lag}"`, async () => {
      const presence = (info: number) => ({ key: "a", info });
      const cases: [SubscribeOptions, SubscribeOptions][] = [
        [{ lag }, { lag }],
        [{ lag }, { lag, queueSize: 1024 * 1024, closeCode: 4000 }],
        [{ lag, presence: presence(1) }, { lag, presence: presence(2) }],
        [{ lag, presence: presence(1) }, { lag }],
        [{ lag, queueSize: 7 * SIZE }, { lag, queueSize: 7 * SIZE, presence: true }],
      ];
      for (const [before, after] of cases) {
        assertEquals(await resubscribe(before, after), [waiting, 0]);
      }
    });

    it(`gets what another policy than "${lag}" lets wait`, async () => {
      for (const other of ["close", "drop-oldest", "drop-newest", "latest"] as const) {
        assertEquals(await resubscribe({ lag }, { lag: other }), [waiting, 0]);
      }
    });
  }

  it("gets as much as may wait with a smaller queueSize, and the rest is counted", async () => {
    for (const lag of ["drop-oldest", "drop-newest", "latest"] as const) {
      const oldest = await resubscribe({ lag }, { lag: "drop-oldest", queueSize: 2 * SIZE });
      assertEquals(oldest, [[8, 9], 5]);
      const newest = await resubscribe({ lag }, { lag: "drop-newest", queueSize: 2 * SIZE });
      assertEquals(newest, [[3, 4], 5]);
      assertEquals(await resubscribe({ lag }, { lag: "drop-oldest", queueSize: 0 }), [[], 7]);
    }
  });

  it('gets the latest of each key, where lag is "latest" from then on', async () => {
    await withSlowClient({ lag: "drop-oldest" }, async (harness, { client, conn }, fast) => {
      await publish(harness, fast, 0, 10, (number) => `${number % 2}`);
      const subscription = conn.subscribe("x", { lag: "latest" });
      assertEquals(subscription.dropped, 5);
      await publish(harness, fast, 10, 12, (number) => `${number % 2}`);
      assertEquals(subscription.dropped, 7);
      client.socket.resume();
      assertEquals(await readNumbers(client, 5), [0, 1, 2, 10, 11]);
      assertEquals(conn.stats().heldSize, 0);
    });
  });

  it('is closed where more waits than "close" lets wait from then on', async () => {
    await withSlowClient({ lag: "drop-oldest" }, async (harness, { client, conn }, fast) => {
      await publish(harness, fast, 0, 10);
      const subscription = conn.subscribe("x", { queueSize: 2 * SIZE, closeCode: 4001 });
      assertEquals([conn.state, subscription.dropped], ["closing", 5]);
      client.socket.resume();
      assertEquals(await readNumbers(client, 3), [0, 1, 2]);
      assertEquals((await client.readClose())[0], 4001);
      client.sendClose(4001);
      await client.finish();
      await conn.closed;
    });
  });

  it("gets what was published in the same turn by the options before", async () => {
    const options = { lag: "drop-oldest", queueSize: 2 * SIZE } as const;
    await withSlowClient(options, async ({ server }, { client, conn, subscription }) => {
      for (let i = 0; i < 10; i++) server.publish("x", numbered(i));
      conn.subscribe("x", { lag: "drop-oldest" });
      assertEquals(subscription.dropped, 5);
      client.socket.resume();
      assertEquals(await readNumbers(client, 5), [0, 1, 2, 8, 9]);
    });
  });

  it("keeps what waits where an option is refused", async () => {
    await withSlowClient({ lag: "drop-oldest" }, async (harness, slow, fast) => {
      await publish(harness, fast, 0, 10);
      for (const given of [{ lag: "newest" }, { queueSize: -1 }, { presence: 1 }]) {
        assertThrows(() => slow.conn.subscribe("x", given as unknown as SubscribeOptions));
      }
      assertEquals(slow.subscription.dropped, 0);
      slow.client.socket.resume();
      assertEquals(await readNumbers(slow.client, 10), [0, 1, 2, ...waiting]);
    });
  });
});

describe("a subscriber to whom a message is streamed", () => {
  it("gets what is published meanwhile behind it", async () => {
    await withConnection({}, async ({ server: harness, client, conn }) => {
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

describe("a subscriber that has to read something else first", () => {
  const setup: Setup<unknown> = { limits: { sendHighWaterMark: 0 }, message() {} };
  const reasons: Record<string, (ends: Slow & { channel: MemoryChannel }) => Promise<void>> = {
    "a Ping of the program": async ({ conn }) => {
      void conn.ping();
      await settle();
    },
    "a Pong": async ({ client }) => {
      client.sendPing("?");
      await settle();
    },
    "a Pong that waited": async ({ client, conn, channel }) => {
      void conn.ping();
      await settle();
      client.sendPing("?");
      await settle();
      client.socket.take(channel.outgoingSize);
      await settle();
    },
  };
  for (const [reason, cause] of Object.entries(reasons)) {
    it(`gets behind ${reason} what waits, and the Close frame`, async () => {
      await withConnection(setup, async ({ server: { server }, client, conn, channel }) => {
        const subscription = conn.subscribe("x", { lag: "drop-oldest" });
        client.socket.pause();
        await cause({ client, conn, channel, subscription });
        assert(channel.isBlocked);
        server.publish("x", "first");
        await settle();
        void conn.close();
        client.socket.resume();
        let frame = await client.readFrame();
        while (frame.opcode > 8) frame = await client.readFrame();
        assertEquals(frame.payload, utf8("first"));
        await client.answerClose(1000);
      });
    });
  }

  it("gets behind the opening handshake what waits", async () => {
    const events: string[] = [];
    await withMemoryServer({
      ...setup,
      open: (conn) => {
        events.push("open");
        conn.subscribe("x", { lag: "drop-oldest" });
      },
      drain: () => void events.push("drain"),
    }, async (server) => {
      const client = await server.connect();
      client.socket.pause();
      client.send(upgradeRequest());
      while (server.server.connections.size === 0) await settle();
      server.server.publish("x", "first");
      await settle();
      client.socket.resume();
      await client.readHead();
      assertEquals(await client.readMessage(), "first");
      assertEquals(events.slice(0, 2), ["open", "drain"]);
    });
  });
});
