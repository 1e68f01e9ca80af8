import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { LagPolicy, ServerConnection } from "../../src/server/mod.ts";
import { Random } from "../codec/support.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import type { RawClient } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { type MemoryHarness, withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const READERS = 12;

/** A client, and the server's end of its connection. */
interface Reader {
  client: RawClient<MemorySocket>;
  conn: ServerConnection;
}

/** Bytes that can't be compressed. */
function noise(size: number): Uint8Array {
  return new Random(size).bytes(size);
}

/** Opens a WebSocket that offers these extensions. */
async function openWith(harness: MemoryHarness<unknown>, extensions: string): Promise<Reader> {
  const before = new Set<ServerConnection>(harness.server.connections);
  const client = await harness.request(
    upgradeRequest({ headers: { "Sec-WebSocket-Extensions": extensions } }),
  );
  await client.readHead();
  const [conn] = [...harness.server.connections].filter((conn) => !before.has(conn));
  return { client, conn };
}

/** Has clients that read nothing subscribe to "x". */
async function stallReaders(
  harness: MemoryHarness<unknown>,
  count = READERS,
  extensions?: string,
): Promise<Reader[]> {
  const readers: Reader[] = [];
  for (let i = 0; i < count; i++) {
    const reader = extensions === undefined
      ? await harness.openPair()
      : await openWith(harness, extensions);
    reader.conn.subscribe("x");
    reader.client.socket.pause();
    readers.push(reader);
  }
  return readers;
}

/** Checks what is held in all, by what the server and its budget say. */
function assertHeld(harness: MemoryHarness<unknown>, size: number): void {
  const { server } = harness;
  for (const held of [server.stats().heldSize, server.budget?.held]) {
    if (held === undefined) continue;
    // Frame headers, and what objects cost.
    assert(held >= size && held <= size * 1.01 + 2 * KiB, `${held} of ${size}`);
  }
}

describe("a message of a topic that clients do not read", () => {
  const KINDS: { name: string; data: Uint8Array | string; size: number; extensions?: string }[] = [
    { name: "bytes", data: noise(8 * MiB), size: 8 * MiB },
    { name: "a text", data: "é".repeat(4 * MiB), size: 8 * MiB },
    {
      name: "compressed bytes",
      data: noise(2 * MiB),
      size: 2 * MiB,
      extensions: "permessage-deflate",
    },
    {
      name: "what compresses well",
      data: "a".repeat(MiB),
      size: 1_000,
      extensions: "permessage-deflate",
    },
  ];
  for (const { name, data, size, extensions } of KINDS) {
    it(`counts once for all of them, until the last has it or is gone: ${name}`, async () => {
      await withMemoryServer({ compression: true }, async (harness) => {
        const readers = await stallReaders(harness, READERS, extensions);
        harness.server.publish("x", data);
        await settle();
        assertHeld(harness, size);
        for (const { conn } of readers) {
          assertEquals(conn.stats().heldSize, 0);
          assert(conn.bufferedAmount >= size);
        }
        for (const [index, { client, conn }] of readers.entries()) {
          assertHeld(harness, size);
          if (index % 3 === 0) client.socket.resume();
          else if (index % 3 === 1) client.socket.reset();
          else conn.abort();
          await settle();
        }
        assertHeld(harness, 0);
        assertEquals(harness.server.stats().heldSize, 0);
        harness.resetClients();
      });
    });
  }

  it("counts for each of those for which it is compressed alone", async () => {
    const compression = { contextTakeover: true };
    await withMemoryServer({ compression }, async (harness) => {
      await stallReaders(harness, 3, "permessage-deflate");
      const before = harness.server.stats().heldSize;
      harness.server.publish("x", noise(100_000));
      await settle();
      const held = harness.server.stats().heldSize - before;
      assert(held >= 300_000, `${held}`);
      harness.resetClients();
    });
  });

  it("counts once where it goes out with others that not all get", async () => {
    await withMemoryServer({}, async (harness) => {
      const readers = await stallReaders(harness, 4);
      readers[0].conn.subscribe("y");
      readers[1].conn.subscribe("y");
      readers[2].conn.subscribe("z");
      for (const topic of "xyz") harness.server.publish(topic, noise(100_000));
      await settle();
      assertHeld(harness, 300_000);
      readers[0].client.socket.reset();
      await settle();
      assertHeld(harness, 300_000);
      readers[1].client.socket.reset();
      await settle();
      assertHeld(harness, 200_000);
      readers[2].client.socket.reset();
      await settle();
      assertHeld(harness, 100_000);
      harness.resetClients();
      await settle();
      assertEquals(harness.server.stats().heldSize, 0);
    });
  });

  it("counts while it waits behind a stream, and no longer", async () => {
    for (const isFinished of [true, false]) {
      await withConnection({}, async ({ server: harness, client, conn }) => {
        conn.subscribe("x");
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
        const sending = conn.sendStream("binary", readable).catch(() => {});
        harness.server.publish("x", noise(50_000));
        await settle();
        assertHeld(harness, 50_000);
        assert(conn.stats().heldSize < KiB, `${conn.stats().heldSize}`);
        if (isFinished) await writable.close();
        else conn.abort();
        await sending;
        await settle();
        assertEquals(harness.server.stats().heldSize, 0);
        client.socket.reset();
      });
    }
  });

  it("counts with it what it costs to have it wait for a slow subscriber", async () => {
    for (const lag of ["drop-oldest", "drop-newest", "latest"] as const) {
      await withMemoryServer({ limits: { sendHighWaterMark: 1_000 } }, async (harness) => {
        const readers = await stallReaders(harness, 3);
        for (const { conn } of readers) conn.subscribe("x", { lag });
        harness.server.publish("x", "-".repeat(2_000));
        await settle();
        for (let i = 0; i < 100; i++) {
          harness.server.publish("x", new Uint8Array(5_000), { key: `${i}` });
        }
        await settle();
        const { heldSize } = harness.server.stats();
        assert(heldSize > 500_000 && heldSize < 700_000, `${heldSize}`);
        assertEquals(harness.server.budget!.held, heldSize);
        readers[0].conn.unsubscribe("x");
        readers[1].conn.subscribe("x");
        const left = harness.server.stats().heldSize;
        assert(left > 500_000 && left < heldSize, `${left}`);
        assertEquals(harness.server.budget!.held, left);
        readers[2].conn.unsubscribe("x");
        for (const { client } of readers) client.socket.resume();
        await settle();
        assertEquals([harness.server.stats().heldSize, harness.server.budget!.held], [0, 0]);
        harness.resetClients();
      });
    }
  });

  it("counts apart from those that are kept, and is encoded once for all who get it", async () => {
    const resume = { windowSize: 4 * MiB, totalSize: 4 * MiB };
    const limits = { sendHighWaterMark: 8 * MiB };
    await withMemoryServer({ resume, limits }, async (harness) => {
      const { server } = harness;
      const readers = await stallReaders(harness, 4);
      for (let i = 0; i < 3; i++) server.publish("x", `${i}`.repeat(MiB));
      await settle();
      assertHeld(harness, 3 * MiB);
      for (const { client } of readers) client.socket.resume();
      await settle();
      assertEquals(server.stats().heldSize, 0);
      // The messages, and of their frames a quarter of what may be kept.
      const { keptSize } = server.stats();
      assert(keptSize! >= 3 * MiB && keptSize! <= 4 * MiB + 3 * KiB, `${keptSize}`);
      harness.resetClients();
      await settle();
      await harness.clock.advance(600_000);
      assertEquals(server.stats().keptSize, 0);
    });
  });

  it("counts without a memory budget, too", async () => {
    await withMemoryServer({ memoryBudget: false }, async (harness) => {
      await stallReaders(harness);
      harness.server.publish("x", noise(MiB));
      await settle();
      assertHeld(harness, MiB);
      harness.resetClients();
      await settle();
      assertEquals(harness.server.stats().heldSize, 0);
    });
  });
});

describe("past the memory budget, messages of topics", () => {
  it("close those that read slowest, and neither those that read nor those that publish", async () => {
    const memoryBudget = { size: 4 * MiB, sizePerConnection: 0 };
    const limits = { sendQueueSize: 16 * MiB };
    await withMemoryServer({ memoryBudget, limits, message() {} }, async (harness) => {
      const slow = await stallReaders(harness, 4);
      const reader = await harness.openPair();
      reader.conn.subscribe("x");
      const publisher = await harness.openPair();
      let most = 0;
      for (let i = 0; i < 40; i++) {
        publisher.client.sendBinary(noise(1_000));
        harness.server.publish("x", new Uint8Array(300 * KiB));
        await settle();
        assertEquals((await reader.client.readMessage()).length, 300 * KiB);
        most = Math.max(most, harness.server.stats().heldSize);
      }
      assert(most <= 4.5 * MiB, `${most}`);
      assertEquals(slow.map(({ conn }) => conn.state), Array(4).fill("closed"));
      assertEquals([reader.conn.state, publisher.conn.state], ["open", "open"]);
      harness.resetClients();
    });
  });

  it("close none that hold nothing else than who is slower", async () => {
    const memoryBudget = { size: 4 * MiB, sizePerConnection: 0 };
    await withMemoryServer({ memoryBudget }, async (harness) => {
      // Each has a topic of its own, as rooms and users have.
      const readers = await stallReaders(harness, 20);
      for (const [index, { conn }] of readers.entries()) {
        conn.subscribe(`own ${index}`);
        const size = index < 10 ? 700 * KiB : 10 * KiB;
        harness.server.publish(`own ${index}`, new Uint8Array(size));
        await settle();
      }
      const open = readers.map(({ conn }) => conn.state === "open");
      assertEquals(open.slice(10), Array(10).fill(true));
      assert(open.slice(0, 10).includes(false));
      assert(harness.server.stats().heldSize <= 4 * MiB);
      harness.resetClients();
    });
  });
});

describe("what is held in common", () => {
  const POLICIES: LagPolicy[] = ["close", "drop-oldest", "drop-newest", "latest"];
  for (let seed = 1; seed <= 8; seed++) {
    it(`is nothing once nobody waits for anything, whatever was done before: ${seed}`, async () => {
      const random = new Random(seed);
      const limits = { sendHighWaterMark: 20_000, sendQueueSize: 200_000 };
      const setup = {
        limits,
        compression: seed % 2 === 0,
        resume: seed % 4 < 2 ? { topics: (topic: string) => topic < "c" } : undefined,
      };
      await withMemoryServer(setup, async (harness) => {
        const readers: Reader[] = [];
        for (let i = 0; i < 300; i++) {
          const reader = readers[random.below(readers.length + 1)];
          const topic = "abcd"[random.below(4)];
          if (reader === undefined || reader.conn.state !== "open") {
            if (readers.length >= 12) continue;
            const isPlain = random.below(2) === 0;
            readers.push(
              isPlain ? await harness.openPair() : await openWith(harness, "permessage-deflate"),
            );
            continue;
          }
          const { client, conn } = reader;
          switch (random.below(12)) {
            case 0:
            case 1:
              conn.subscribe(topic, {
                lag: random.pick(POLICIES),
                queueSize: random.below(60_000),
              });
              break;
            case 2:
              conn.unsubscribe(topic);
              break;
            case 3:
              client.socket.pause();
              break;
            case 4:
              client.socket.resume();
              break;
            case 5:
              if (random.below(4) === 0) conn.abort();
              break;
            case 6:
              void conn.sendStream("text", new Response("streamed").body!).catch(() => {});
              break;
            case 7:
              if (random.below(4) === 0) void conn.close();
              break;
            default: {
              const size = random.below(random.below(4) === 0 ? 50_000 : 1_000);
              const data = random.below(2) === 0 ? "x".repeat(size) : noise(size);
              const key = `${random.below(3)}`;
              harness.server.publish(topic, data, { key, except: random.pick([undefined, conn]) });
            }
          }
          if (random.below(3) === 0) await settle();
        }
        for (const { client } of readers) client.socket.resume();
        for (let i = 0; i < 10; i++) await settle();
        const { heldSize } = harness.server.stats();
        assertEquals(heldSize, 0);
        assertEquals(harness.server.budget!.held, 0);
        harness.resetClients();
      });
    });
  }
});

describe("the members of a topic", () => {
  it("count for the memory that they take, until they leave", async () => {
    await withMemoryServer({}, async (harness) => {
      const { server } = harness;
      const { conn } = await harness.openPair();
      const other = await harness.openPair();
      const size = () => server.stats().heldSize;
      conn.subscribe("x", { presence: true });
      assertEquals(size(), 0);
      conn.subscribe("x", { presence: { key: "a".repeat(256), info: "b".repeat(1_000) } });
      other.conn.subscribe("x", { presence: { key: "c" } });
      const both = size();
      assert(both > 2_000 && both < 6_000, `${both}`);
      assertEquals(server.budget!.held, both);
      conn.subscribe("x", { presence: { key: "a" } });
      assert(size() <= both - 1_255, `${size()}`);
      conn.unsubscribe("x");
      other.client.socket.reset();
      await settle();
      assertEquals([size(), server.budget!.held], [0, 0]);
    });
  });
});
