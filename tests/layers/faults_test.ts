import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Connection, WebSocketError } from "../../mod.ts";
import type { LayerConnection, Message, MessageLayer } from "../../src/connection/layer.ts";
import { connectedPair } from "../../src/testing/connected_pair.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import type { RequestInit } from "../support/requests.ts";
import { streamOf } from "../support/stream_of.ts";
import { type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { layerOf, named, PartsLayer } from "./layers.ts";

const OFFER: RequestInit = { headers: { "Sec-WebSocket-Protocol": "layer.v1" } };

function withLayer(layer: MessageLayer, more: Setup<unknown> = {}): Setup<unknown> {
  return { layers: [layerOf(() => layer)], ...more };
}

/** A stream that gives what it is told to. */
function createSource(): { stream: ReadableStream<string>; give(text?: string): void } {
  let controller!: ReadableStreamDefaultController<string>;
  const stream = new ReadableStream<string>({ start: (given) => void (controller = given) });
  return {
    stream,
    give: (text) => text === undefined ? controller.close() : controller.enqueue(text),
  };
}

/** Numbers all that is sent. */
function createNumbered(): MessageLayer {
  let sent = 0;
  return { encode: (data) => `${++sent} ${data}`, encodeStart: () => `${++sent} ` };
}

describe("a stream to a message layer that encodes", () => {
  it("is refused if the layer encodes whole messages only", async () => {
    const setup = withLayer({ encode: (data) => `<enc>${data}` });
    await withMemoryServer(setup, async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      const log: unknown[] = [];
      const stream = new ReadableStream<string>({
        pull: () => void log.push("pull"),
        cancel: (reason) => void log.push(reason),
      }, { highWaterMark: 0 });
      const error = await assertRejects(() => conn.sendStream("text", stream), TypeError);
      assert(error.message.includes("encodeStart"), error.message);
      assertEquals(log, [error]);
      await conn.send("whole");
      assertEquals(await client.readMessage(), "<enc>whole");
      assertEquals(conn.stats().messagesSent, 1);
    });
  });

  it("begins when its first fragment is sent, and so not if it is given up before", async () => {
    await withMemoryServer(withLayer(createNumbered()), async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      const abort = new AbortController();
      const { signal } = abort;
      const sent = conn.sendStream("text", createSource().stream, { signal });
      const failing = conn.sendStream(
        "text",
        new ReadableStream({
          pull: () => Promise.reject(new RangeError("no")),
        }),
      );
      const held = conn.send("b");
      abort.abort();
      await assertRejects(() => sent, DOMException);
      await assertRejects(() => failing, RangeError);
      await held;
      assertEquals(await client.readMessage(), "1 b");
      await assertRejects(
        () => conn.sendStream("text", streamOf([7 as unknown as string])),
        TypeError,
      );
      await conn.send("c");
      assertEquals(await client.readMessage(), "2 c");
    });
  });

  it("has what waits behind it encoded in the order of the wire", async () => {
    const setup = withLayer(createNumbered(), { open: (conn) => void conn.subscribe("news") });
    await withMemoryServer(setup, async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      const source = createSource();
      const sent = conn.sendStream("text", source.stream);
      void conn.send("a");
      harness.server.publish("news", "b");
      void conn.sendStream("text", streamOf(["c"]));
      void conn.send("d");
      source.give("x");
      source.give();
      await sent;
      const received = [];
      for (let i = 0; i < 5; i++) received.push(await client.readMessage());
      assertEquals(received, ["1 x", "2 a", "3 b", "4 c", "5 d"]);
      assertEquals(conn.stats().messagesSent, 5);
    });
  });

  it("keeps the layer open until the last message is encoded", async () => {
    const log: string[] = [];
    const layer: MessageLayer = {
      encode: (data) => (log.push(`encode ${data}`), data),
      encodeStart: () => (log.push("encodeStart"), ""),
      close: () => void log.push("close"),
    };
    await withMemoryServer(withLayer(layer), async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      const source = createSource();
      void conn.sendStream("text", source.stream);
      void conn.send("a");
      const closed = conn.close();
      await settle();
      assertEquals(log, []);
      source.give("x");
      source.give();
      assertEquals([await client.readMessage(), await client.readMessage()], ["x", "a"]);
      assertEquals((await client.readClose())[0], 1000);
      client.sendClose(1000);
      await client.finish();
      await closed;
    });
    assertEquals(log, ["encodeStart", "encode a", "close"]);
  });

  it("goes behind what the layer sends while it encodes", async () => {
    const parts = new PartsLayer(2);
    let own!: LayerConnection;
    const layer: MessageLayer = {
      start: (conn) => parts.start(own = conn),
      encode: (data) => parts.encode(data),
      encodeStart: () => (own.send("begin"), "stream "),
    };
    await withMemoryServer(withLayer(layer), async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      const source = createSource();
      const sent = conn.sendStream("text", source.stream);
      void conn.send("abcde");
      own.send("later");
      source.give("x");
      source.give();
      await sent;
      const received = [];
      for (let i = 0; i < 6; i++) received.push(await client.readMessage());
      assertEquals(received, ["begin", "stream x", "ab-", "cd-", "e.", "later"]);
    });
  });

  for (const fault of ["encode", "encodeStart"] as const) {
    it(`ends the connection if ${fault} fails then, with what waits behind it`, async () => {
      const layer = createNumbered();
      let calls = 0;
      const fail = () => {
        calls++;
        throw new RangeError("a fault of the layer");
      };
      await withMemoryServer(withLayer({ ...layer, [fault]: fail }), async (harness) => {
        const { client, conn } = await harness.openPair(OFFER);
        const source = createSource();
        const streamed = conn.sendStream("text", source.stream);
        const results = Promise.allSettled([conn.send("a"), conn.send("b")]);
        if (fault === "encodeStart") void assertRejects(() => streamed, WebSocketError);
        source.give("x");
        source.give();
        assertEquals((await results).map(({ status }) => status), ["rejected", "rejected"]);
        if (fault === "encode") assertEquals(await client.readMessage(), "1 x");
        await client.answerClose(1011, /.*/);
        assertEquals(calls, 1);
        assertEquals(harness.takeErrors().map(String), ["RangeError: a fault of the layer"]);
      });
    });
  }
});

describe("a layer's handshake that is not done in time", () => {
  it("ends the connection of a server, however much comes", async () => {
    const log: string[] = [];
    const setup: Setup<unknown> = {
      layers: [named()],
      handshakeTimeoutMs: 500,
      open: () => void log.push("open"),
      close: () => void log.push("close"),
    };
    await withMemoryServer(setup, async (harness) => {
      const offer = { headers: { "Sec-WebSocket-Protocol": "named.v1" } };
      const client = await harness.open(offer);
      await harness.clock.advance(400);
      client.sendText("wait");
      await settle();
      assertEquals(harness.server.connections.size, 1);
      await harness.clock.advance(99);
      assertEquals(client.unreadSize, 0);
      await harness.clock.advance(1);
      await client.answerClose(1013, "No first message in time");
      await settle();
      assertEquals(harness.server.connections.size, 0);
      const other = await harness.open(offer);
      other.sendText("name Ada");
      await settle();
      await harness.clock.advance(1_000);
      assertEquals(other.unreadSize, 0);
    });
    assertEquals(log, ["open", "close"]);
  });

  it("ends the connection of a client", async () => {
    const clock = new FakeClock();
    const { server, client } = await connectedPair({
      clock,
      server: { layers: [layerOf(() => ({ opened() {} }))] },
      client: {
        layers: [layerOf(() => ({ handshake: () => true }))],
        connectTimeoutMs: 300,
      },
    });
    await clock.advance(299);
    assertEquals(client.state, "open");
    await clock.advance(1);
    const { closeCode } = await server.closed;
    assertEquals(closeCode, 1013);
  });
});

describe("a getter of a message layer that throws", () => {
  for (const name of ["heldSize", "isFull", "maxMessageSize"] as const) {
    for (const isAtOnce of [true, false]) {
      it(`ends the connection, ${name} ${isAtOnce ? "at once" : "later"}`, async () => {
        let isFailing = isAtOnce;
        const layer = Object.defineProperty({ handshake: () => true } as MessageLayer, name, {
          get() {
            if (isFailing) throw new RangeError("a fault of the layer");
            return undefined;
          },
        });
        const setup = withLayer(layer, { memoryBudget: { size: 10_000_000 }, message() {} });
        await withMemoryServer(setup, async (harness) => {
          const client = await harness.open(OFFER);
          isFailing = true;
          client.sendText("a");
          await settle();
          assert(harness.server.stats().heldSize >= 0);
          await client.answerClose(1011, /.*/);
          await settle();
          assertEquals(harness.server.connections.size, 0);
          assertEquals(harness.takeErrors().map(String), ["RangeError: a fault of the layer"]);
        });
      });
    }
  }
});

describe("the layer of a client", () => {
  it("is refused if it is none", async () => {
    const decode = (data: Message) => data;
    for (const created of [{}, { encoed: decode }, Promise.resolve({ decode }), 1]) {
      const pair = connectedPair({
        server: { layers: [layerOf(() => ({ decode }))], message() {} },
        client: { layers: [layerOf(() => created as MessageLayer)] },
      });
      await assertRejects(() => pair, TypeError, "the layer of layer.v1");
    }
  });

  it("may be an object with state of its own, or of a class", async () => {
    class Layer implements MessageLayer {
      #secret = "!";
      count = 0;
      encode(data: unknown): string {
        return `${++this.count}${this.#secret}${data}`;
      }
    }
    for (const created of [new Layer(), { mark: 1, encode: (data: unknown) => `1!${data}` }]) {
      const received: Message[] = [];
      const { client } = await connectedPair({
        server: {
          layers: [layerOf(() => ({ decode: (data) => data }))],
          message: (_: Connection, data: Message) => void received.push(data),
        },
        client: { layers: [layerOf(() => created as MessageLayer)] },
      });
      await client.send("x");
      await client.close();
      assertEquals(received, ["1!x"]);
    }
  });
});
