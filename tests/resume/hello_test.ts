// @engines: nearly all of it happens in memory, and what does not is the same over any sockets.

import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve, type ServerConnection } from "../../mod.ts";
import { reconnecting } from "../../src/runtimes/shared/client.ts";
import { collect } from "../support/collect_garbage.ts";
import { clientFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { deflateAlone } from "../support/reference_deflate.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { OFFER, ResumingClient } from "./resuming_client.ts";

/** What docs/resume.md says. */
const MAX_SIZE = 524_288;
const MAX_TOPICS = 4_096;

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** A hello with these topics. */
function hello(topics: string[]): string {
  return JSON.stringify({ positions: Object.fromEntries(topics.map((topic) => [topic, "e.1"])) });
}

/** A hello of this many bytes. */
function helloOfSize(size: number): string {
  const text = JSON.stringify({ other: "" });
  return text.replace('""', `"${"x".repeat(size - text.length)}"`);
}

/** The heap that is in use, in bytes. */
async function measureHeap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect();
    await settle();
  }
  if (!("Bun" in globalThis)) return process.memoryUsage().heapUsed;
  const { heapStats } = await import("bun:jsc" as string);
  return heapStats().heapSize;
}

describe("the topics of a first message", () => {
  const refused: [what: string, topics: string[], reason: RegExp][] = [
    ["a topic of 1,025 bytes", ["x".repeat(1_025)], /a topic has more than 1024 bytes/],
    ["a topic of 1,026 bytes in 513 characters", ["é".repeat(513)], /1024 bytes/],
    ["a topic of halves of pairs", ["\ud800".repeat(342)], /1024 bytes/],
    ["a topic of half a megabyte", ["x".repeat(MAX_SIZE - 100)], /1024 bytes/],
    ["one that is too long among others", ["a", "b", "x".repeat(1_025), "c"], /1024 bytes/],
    ["4,097 topics", range(MAX_TOPICS + 1, (i) => `${i}`), /it has 4097 topics, 4096 are allowed/],
    ["50,000 topics", range(50_000, (i) => `${i}`), /first message/],
  ];
  for (const [what, topics, reason] of refused) {
    it(`are refused where there is ${what}`, async () => {
      await withMemoryServer({ resume: true }, async (harness) => {
        const { client, conn } = await harness.openPair(OFFER);
        client.sendText(hello(topics).slice(0, MAX_SIZE + 1));
        const [code, said] = await client.readClose();
        if (hello(topics).length > MAX_SIZE) assertEquals(code, 1009);
        else assertEquals([code, reason.test(said)], [1008, true], said);
        assertEquals(conn.stats().heldSize, 0);
        client.socket.reset();
      });
    });
  }

  it("have up to 1,024 bytes each, and are up to 4,096", async () => {
    const all = [
      ["x".repeat(1_024), "é".repeat(512), "\x01".repeat(1_024), "😀".repeat(256), "\ud800"],
      range(MAX_TOPICS, (i) => `${i}`),
      range(400, (i) => `${i}`.padEnd(1_024, "y")),
    ];
    await withMemoryServer({ resume: true }, async (harness) => {
      for (const topics of all) {
        const client = new ResumingClient(harness);
        for (const topic of topics) client.positions[topic] = "e.1";
        await client.begin();
        for (const topic of topics) client.conn.subscribe(topic);
        for (const topic of topics) {
          const note = await client.note();
          assertEquals([note.topic, note.isLost], [topic, true]);
        }
        assertEquals(client.conn.stats().heldSize, 0);
      }
    });
  });

  it("count for the memory that they take, until they are used", async () => {
    const makers: Record<string, (connection: number) => string[]> = {
      "many short ones": (c) => range(2_000, (i) => `${c}/${i}`),
      "some of the usual length": (c) => range(1_000, (i) => `room/${c}/${i}/`.padEnd(30, "x")),
      "long ones": (c) => range(400, (i) => `${c}/${i}`.padEnd(1_000, "x")),
      "long ones of other scripts": (c) => range(400, (i) => `${c}/${i}`.padEnd(330, "好")),
    };
    for (const [what, make] of Object.entries(makers)) {
      await withMemoryServer({ resume: true, memoryBudget: false }, async (harness) => {
        const clients = range(20, () => new ResumingClient(harness));
        for (const client of clients) await client.open();
        const before = await measureHeap();
        for (const [i, { raw }] of clients.entries()) raw.sendText(hello(make(i)));
        for (const client of clients) await client.note();
        const real = await measureHeap() - before;
        let counted = 0;
        for (const { conn } of clients) counted += conn.stats().heldSize;
        const ratio = counted / real;
        assert(ratio > 1 / 1.5 && ratio < 1.5, `${what}: ${counted} counted, ${real} held`);
        for (const [i, { conn }] of clients.entries()) {
          for (const topic of make(i)) conn.subscribe(topic);
          assertEquals(conn.stats().heldSize - conn.bufferedAmount, 0);
        }
      });
    }
  });

  it("are held within the memory budget, however many clients say how much", async () => {
    const memoryBudget = { size: 4 * 1024 * 1024, sizePerConnection: 0 };
    await withMemoryServer({ resume: true, memoryBudget }, async (harness) => {
      const clients = range(300, () => new ResumingClient(harness));
      for (const client of clients) await client.open();
      const before = await measureHeap();
      for (const [i, { raw }] of clients.entries()) {
        raw.sendText(
          i % 2 === 0
            ? hello([`${i}`.padEnd(1_000_000, "x")])
            : hello(range(400, (k) => `${i}/${k}`.padEnd(1_000, "x"))),
        );
        await settle(1);
        assert(harness.server.budget!.held <= memoryBudget.size, `${harness.server.budget!.held}`);
      }
      const grown = await measureHeap() - before;
      assert(grown < 3 * memoryBudget.size, `${grown}`);
      const left = clients.filter(({ conn }) => conn.state === "open").length;
      assert(left > 0 && left < 15, `${left} are open`);
    });
  });

  it("say any place, which is lost where there is none such", async () => {
    await withMemoryServer({ resume: true }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      client.conn.subscribe("x");
      await client.note();
      harness.server.publish("x", "1");
      await client.data();
      const [epoch, number] = client.positions.x.split(".");
      client.reset();
      for (const place of [Number(number) + 1, Number.MAX_SAFE_INTEGER]) {
        const liar = new ResumingClient(harness);
        liar.positions.x = `${epoch}.${place}`;
        await liar.begin();
        liar.conn.subscribe("x");
        const note = await liar.note();
        assertEquals([note.isLost, note.position], [true, `${epoch}.0`]);
        assertEquals(await liar.data(), "1");
        liar.reset();
      }
      for (const place of ["-1", "1e3", "NaN", "Infinity", "9007199254740992", "01", "1.5", ""]) {
        const { client, conn } = await harness.openPair(OFFER);
        client.sendText(JSON.stringify({ positions: { x: `${epoch}.${place}` } }));
        assertEquals((await client.readClose())[0], 1008);
        assertEquals(conn.stats().heldSize, 0);
        client.socket.reset();
      }
    });
  });

  it("are not looked for in what is nested, or has too many parts, which would take long", async () => {
    const half = MAX_SIZE / 2;
    const texts = [
      "[".repeat(half) + "]".repeat(half),
      `{"positions":{"x":${"[".repeat(half - 20)}${"]".repeat(half - 20)}}}`,
      '{"a":'.repeat(80_000) + "1" + "}".repeat(80_000),
      '{"positions":{},"other":' + "[".repeat(1_000),
      '{"positions":{"x":[]}}',
      '{"positions":{"x":{}}}',
      '{"a":"\\"","positions":{"x":[]}}',
      `{"other":[${"0,".repeat(200_000)}0]}`,
      `{${range(40_000, (i) => `"${i}":1`).join()}}`,
    ];
    await withMemoryServer({ resume: true }, async (harness) => {
      // It is said of each before it is parsed: what a parser would say of some is another thing.
      for (const text of texts) {
        const { client } = await harness.openPair(OFFER);
        client.sendText(text);
        const [code, reason] = await client.readClose();
        assertEquals(code, 1008);
        assertMatch(
          reason,
          /nested more than 2 levels deep|more than \d+ parts/,
          text.slice(0, 50),
        );
        client.socket.reset();
      }
      for (
        const text of ['{"other":"[[[[{{{{,\\"[[[["}', '{"other":[1,2],"positions":{"[":"e.1"}}']
      ) {
        const { client } = await harness.openPair(OFFER);
        client.sendText(text);
        assertMatch(await client.readMessage() as string, /session/);
        client.socket.reset();
      }
    });
  });

  it("count once where they are said twice: the last is taken", async () => {
    await withMemoryServer({ resume: true }, async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      client.sendText(`{"positions":{${range(9_000, (i) => `"x":"e.${i}"`).join()}}}`);
      await client.readMessage();
      assert(conn.stats().heldSize < 1_000);
    });
  });
});

describe("the size of a first message", () => {
  const COMPRESSED = { "Sec-WebSocket-Extensions": "permessage-deflate" };
  const ways: Record<string, (text: string) => Uint8Array> = {
    "in one frame": (text) => textFrame(text),
    "in fragments": (text) =>
      concatBytes(
        range(32, (i) => {
          const size = Math.ceil(text.length / 32);
          const payload = utf8(text.slice(i * size, (i + 1) * size));
          return clientFrame({ opcode: i === 0 ? 1 : 0, fin: i === 31, payload });
        }),
      ),
    "compressed": (text) => clientFrame({ opcode: 1, rsv: 4, payload: deflateAlone(utf8(text)) }),
  };
  for (const [way, frame] of Object.entries(ways)) {
    it(`is up to 512 KiB, whatever other messages may have, ${way}`, async () => {
      for (const maxMessageSize of [10, 1_048_576]) {
        const limits = { maxMessageSize };
        const setup = { resume: true, compression: true, limits, message() {} };
        await withMemoryServer(setup, async (harness) => {
          const headers = { ...OFFER.headers, ...COMPRESSED };
          const client = await harness.open({ headers });
          client.send(frame(helloOfSize(MAX_SIZE)));
          assertMatch(await client.readMessage() as string, /session/);
          // From then on it is that limit.
          client.sendText("x".repeat(maxMessageSize));
          client.sendText("x".repeat(maxMessageSize + 1));
          assertEquals((await client.readClose())[0], 1009);
          const other = await harness.open({ headers });
          other.send(frame(helloOfSize(MAX_SIZE + 1)));
          assertEquals((await other.readClose())[0], 1009);
          const both = await harness.open({ headers });
          both.send(
            concatBytes([frame(helloOfSize(MAX_SIZE)), textFrame("x".repeat(maxMessageSize + 1))]),
          );
          await both.readMessage();
          assertEquals((await both.readClose())[0], 1009);
          for (const each of [client, other, both]) each.socket.reset();
        });
      }
    });
  }

  it("counts while it arrives, and is given back where it does not", async () => {
    const memoryBudget = { size: 1024 * 1024, sizePerConnection: 0 };
    const setup = { resume: true, memoryBudget, handshakeTimeoutMs: 1_000 };
    await withMemoryServer(setup, async (harness) => {
      const frame = textFrame(helloOfSize(MAX_SIZE));
      const clients = [];
      for (let i = 0; i < 20; i++) {
        const { client, conn } = await harness.openPair(OFFER);
        // Drip-fed.
        for (let at = 0; at < 300_000; at += 50_000) {
          client.send(frame.slice(at, at + 50_000));
          await settle(1);
          assert(harness.server.budget!.held <= memoryBudget.size);
        }
        clients.push({ client, conn });
      }
      assert(harness.server.budget!.held > 200_000);
      await harness.clock.advance(10_000);
      assertEquals([harness.server.budget!.held, harness.server.connections.size], [0, 0]);
      for (const { client } of clients) if (!client.isClosed) client.socket.reset();
    });
  });
});

describe("the rate limits of a server", () => {
  const closeAt = (rate: object): Setup<unknown> => ({
    resume: true,
    message() {},
    rateLimits: { onExceeded: "close", ...rate },
  });
  const RATES: [name: string, rate: object][] = [
    ["bytes", { bytesPerSecond: 8_000 }],
    ["inflated bytes", { inflatedBytesPerSecond: 8_000 }],
  ];
  for (const [name, rate] of RATES) {
    for (const onExceeded of ["close", "pause"] as const) {
      it(`let in a first message of as much as it may have: ${name}, ${onExceeded}`, async () => {
        const setup = { ...closeAt({ ...rate, onExceeded }), compression: true };
        await withMemoryServer(setup, async (harness) => {
          const isDeflated = name !== "bytes";
          const extensions = { "Sec-WebSocket-Extensions": "permessage-deflate" };
          const headers = { ...OFFER.headers, ...(isDeflated ? extensions : {}) };
          const { client } = await harness.openPair({ headers });
          const text = helloOfSize(MAX_SIZE);
          const frame = isDeflated
            ? clientFrame({ opcode: 1, rsv: 4, payload: await deflateAlone(utf8(text)) })
            : textFrame(text);
          for (let at = 0; at < frame.length; at += 50_000) {
            client.send(frame.slice(at, at + 50_000));
            await settle(1);
          }
          assertMatch(String(await client.readMessage()), /session/);
          // The next second's worth is there, and no more.
          client.send(textFrame("x".repeat(7_000)));
          await settle();
          assertEquals(client.isClosed, false);
          client.socket.reset();
        });
      });
    }
  }

  it("let in a first message beside one of the program", async () => {
    await withMemoryServer(closeAt({ messagesPerSecond: 1 }), async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      client.sendText(hello([]));
      assertMatch(String(await client.readMessage()), /session/);
      client.sendText("one");
      await settle();
      assertEquals(conn.state, "open");
      client.socket.reset();
    });
  });

  it("count what comes behind a first message, also in one piece with it", async () => {
    await withMemoryServer(closeAt({ bytesPerSecond: 8_000 }), async (harness) => {
      const { client } = await harness.openPair(OFFER);
      client.send(concatBytes([textFrame(helloOfSize(50_000)), textFrame("x".repeat(8_100))]));
      assertEquals((await client.readClose())[0], 1008);
    });
  });
});

describe("a client with many topics", () => {
  it("comes back to a server that allows a few bytes a second only", async () => {
    const topics = range(500, (i) => `topic ${i} of the usual length`.padEnd(30, "."));
    const codes: number[] = [];
    const server = await serve({
      port: 0,
      hostname: "127.0.0.1",
      resume: true,
      rateLimits: { bytesPerSecond: 8_000, onExceeded: "close" },
      open(conn: ServerConnection) {
        for (const topic of topics) conn.subscribe(topic);
        void conn.send("begin");
      },
      close: (_, { closeCode }) => void codes.push(closeCode),
    });
    const { addr } = server;
    assert(addr.transport === "tcp");
    let visits = 0;
    const lost: string[] = [];
    const client = reconnecting(`ws://127.0.0.1:${addr.port}/`, {
      onLost: (topic) => void lost.push(topic),
    });
    try {
      for await (const conn of client) {
        if (++visits === 1) {
          let count = 0;
          for await (const _ of conn) {
            if (++count === 1) { for (const topic of topics) server.publish(topic, "x"); }
            if (count === topics.length + 1) break;
          }
          for (const each of server.connections) each.abort();
          continue;
        }
        for await (const message of conn) {
          assertEquals([message, conn.isResumed], ["begin", true]);
          break;
        }
        break;
      }
      assertEquals([visits, codes, lost], [2, [1006], []]);
    } finally {
      await server.shutdown();
    }
  });

  it("comes back to a server that allows small messages only, and misses nothing", async () => {
    const topics = range(100, (i) => `topic ${i} of the usual length`.padEnd(30, "."));
    const server = await serve({
      port: 0,
      hostname: "127.0.0.1",
      resume: true,
      limits: { maxMessageSize: 4_096 },
      open(conn: ServerConnection) {
        for (const topic of topics) conn.subscribe(topic);
        void conn.send("begin");
      },
    });
    const { addr } = server;
    assert(addr.transport === "tcp");
    const lost: string[] = [];
    const received: unknown[] = [];
    let visits = 0;
    const url = `ws://127.0.0.1:${addr.port}/`;
    const onLost = (topic: string) => void lost.push(topic);
    for await (const conn of reconnecting(url, { minDelayMs: 1, onLost })) {
      visits++;
      for await (const message of conn) {
        if (message !== "begin") received.push(message);
        else if (visits === 1) {
          for (const other of server.connections) other.abort();
          for (const topic of topics) server.publish(topic, `${topic}!`);
        }
        if (received.length === topics.length) break;
      }
      if (received.length === topics.length) break;
    }
    assertEquals([visits, lost, received], [2, [], topics.map((topic) => `${topic}!`)]);
    await server.shutdown();
  });
});
