import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { accept, type Connection, ConnectionClosedError, WebSocketError } from "../../mod.ts";
import type { LayerConnection, Message, MessageLayer } from "../../src/connection/layer.ts";
import { ProtocolError } from "../../src/connection/layer.ts";
import { STAGES } from "../mounting/harness.ts";
import { RawClient, textFrame } from "../support/raw_client.ts";
import { type RequestInit, upgradeRequest } from "../support/requests.ts";
import { streamOf } from "../support/stream_of.ts";
import { StreamSocket } from "../support/stream_socket.ts";
import { type Setup, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { layerOf, named, NUMBERED, PartsLayer } from "./layers.ts";

const OFFER: RequestInit = { headers: { "Sec-WebSocket-Protocol": "layer.v1" } };

function offer(...names: string[]): RequestInit {
  return { headers: { "Sec-WebSocket-Protocol": names.join(", ") } };
}

function withLayer(layer: MessageLayer, more: Setup<unknown> = {}): Setup<unknown> {
  return { layers: [layerOf(() => layer)], ...more };
}

function fail(): never {
  throw new RangeError("a fault of the layer");
}

describe("a connection that its layer ends while it subscribes", () => {
  it("is subscribed to nothing", async () => {
    let ended: Connection | undefined;
    const layer: MessageLayer = { encode: (data) => data === "bad" ? fail() : data };
    const setup = withLayer(layer, { onError: () => ended?.abort() });
    await withMemoryServer(setup, async (harness) => {
      await harness.open(OFFER);
      const [conn] = harness.server.connections;
      ended = conn;
      conn.subscribe("a");
      harness.server.publish("a", "bad");
      assertThrows(() => conn.subscribe("b"), ConnectionClosedError);
      assertEquals(harness.server.subscriberCount("b"), 0);
      assertEquals(harness.takeErrors().length, 1);
    });
  });
});

for (const { name, withServer } of TRANSPORTS) {
  describe(`a message layer of a server over ${name}`, () => {
    it("is told in order of all that happens", async () => {
      const log: string[] = [];
      const layer: MessageLayer = {
        start: () => void log.push("start"),
        opened: () => void log.push("opened"),
        encode: (data) => (log.push(`encode ${data}`), data),
        decode: (data) => (log.push(`decode ${data}`), data),
        delivered: () => void log.push("delivered"),
        close: () => void log.push("close"),
      };
      const setup = withLayer(layer, {
        open: () => void log.push("open"),
        message: (conn, data) => conn.send(`re ${data}`),
      });
      await withServer(setup, async (harness) => {
        const client = await harness.open(OFFER);
        client.sendText("a");
        assertEquals(await client.readMessage(), "re a");
        client.sendClose(1000);
        await client.readClose();
        await client.finish();
      });
      const begun = ["start", "open", "opened"];
      assertEquals(log, [...begun, "decode a", "delivered", "encode re a", "close"]);
    });

    const FAULT = "RangeError: a fault of the layer";
    const noPromise = (hook: string) =>
      `TypeError: ${hook} must return synchronously, but returned a promise`;
    for (const hook of ["start", "opened", "delivered"] as const) {
      const FAILURES: [how: string, fail: () => unknown, reported: string[]][] = [
        ["throws", fail, [FAULT]],
        ["gives a promise", () => Promise.resolve(), [noPromise(hook)]],
        ["rejects", () => Promise.resolve().then(fail), [noPromise(hook), FAULT]],
      ];
      for (const [how, failHook, reported] of FAILURES) {
        it(`closes with 1011 if ${hook} ${how}`, async () => {
          const layer: MessageLayer = { [hook]: failHook };
          await withServer(withLayer(layer, { message() {} }), async (harness) => {
            const client = await harness.open(OFFER);
            if (hook === "delivered") client.sendText("a");
            await client.answerClose(1011);
            await settle();
            assertEquals(harness.takeErrors().map(String), reported);
          });
        });
      }
    }

    it("does not begin if it fails to start", async () => {
      const log: string[] = [];
      const setup = withLayer({ start: fail }, {
        open: () => void log.push("open"),
        close: () => void log.push("close"),
      });
      await withServer(setup, async (harness) => {
        const client = await harness.open(OFFER);
        await client.readClose();
        client.sendClose(1011);
        await client.finish();
        harness.takeErrors();
      });
      assertEquals(log, []);
    });

    it("reports what close() throws, or that it gives a promise, once", async () => {
      const FAILURES = [[fail, FAULT], [() => Promise.resolve(), noPromise("close")]] as const;
      for (const [close, reported] of FAILURES) {
        await withServer(
          withLayer({ close: close as () => void }, { message() {} }),
          async (harness) => {
            const { client, conn } = await harness.openPair(OFFER);
            void conn.close();
            await client.answerClose(1000);
            assertEquals(harness.takeErrors().map(String), [reported]);
          },
        );
      }
    });

    const faults: [what: string, decode: () => unknown, code: number, isReported: boolean][] = [
      ["throws", fail, 1011, true],
      [
        "throws a WebSocketError that says what to close with",
        () => {
          throw new WebSocketError("no", { closeCode: 4001 });
        },
        4001,
        true,
      ],
      [
        "throws a ProtocolError",
        () => {
          throw new ProtocolError(1003, "no");
        },
        1003,
        false,
      ],
      [
        "throws a ProtocolError with a code that can't be sent",
        () => {
          throw new ProtocolError(1006, "no");
        },
        1011,
        true,
      ],
      ["returns a number", () => 7, 1011, true],
      ["returns null", () => null, 1011, true],
      ["returns a promise", () => Promise.resolve("x"), 1011, true],
      ["returns a promise that rejects", () => Promise.reject(new Error("no")), 1011, true],
    ];
    for (const [what, decode, code, isReported] of faults) {
      it(`closes with ${code} if decode ${what}`, async () => {
        const messages: unknown[] = [];
        const layer = { decode: decode as () => string };
        const setup = withLayer(layer, { message: (_, data) => void messages.push(data) });
        await withServer(setup, async (harness) => {
          const client = await harness.open(OFFER);
          client.send(textFrame("a"), textFrame("b"));
          await client.answerClose(code, /.*/);
          await settle();
          assertEquals(harness.takeErrors().length > 0, isReported);
        });
        assertEquals(messages, []);
      });

      it(`closes with ${code === 1003 ? 1011 : code} if encode ${what}`, async () => {
        const setup = withLayer({ encode: decode as () => string });
        await withServer(setup, async (harness) => {
          const { client, conn } = await harness.openPair(OFFER);
          await assertRejects(() => conn.send("a"), ConnectionClosedError);
          assertEquals(conn.trySend("b"), "closed");
          assertEquals((await client.readClose())[0], code === 1003 ? 1011 : code);
          client.sendClose(1000);
          await client.finish();
          await settle();
          assert(harness.takeErrors().length > 0);
        });
      });
    }

    it("cancels a stream whose start it can't encode", async () => {
      await withServer(withLayer({ encodeStart: fail }), async (harness) => {
        const { client, conn } = await harness.openPair(OFFER);
        const reasons: unknown[] = [];
        const stream = new ReadableStream<string>({
          start: (controller) => controller.enqueue("x"),
          cancel: (reason) => void reasons.push(reason),
        });
        await assertRejects(() => conn.sendStream("text", stream), ConnectionClosedError);
        await client.answerClose(1011, /.*/);
        assertInstanceOf(reasons[0], ConnectionClosedError);
        assertEquals(harness.takeErrors().map(String), ["RangeError: a fault of the layer"]);
      });
    });

    it("may put bytes before a stream", async () => {
      const setup = withLayer({ encodeStart: () => Uint8Array.of(1, 2) });
      await withServer(setup, async (harness) => {
        const { client, conn } = await harness.openPair(OFFER);
        await conn.sendStream("binary", streamOf([Uint8Array.of(3)]));
        assertEquals(await client.readMessage(), Uint8Array.of(1, 2, 3));
        await conn.sendStream("binary", streamOf([]));
        assertEquals(await client.readMessage(), Uint8Array.of(1, 2));
      });
    });

    for (
      const answer of [undefined, 1, "yes", Promise.resolve(true), Promise.reject(new Error())]
    ) {
      Promise.resolve(answer).catch(() => {});
      it(`closes with 1011 if its handshake returns ${answer}`, async () => {
        const layer = { handshake: () => answer as unknown as boolean };
        await withServer(withLayer(layer, { message() {} }), async (harness) => {
          const client = await harness.open(OFFER);
          client.sendText("a");
          await client.answerClose(1011, /.*/);
          await settle();
          assertInstanceOf(harness.takeErrors()[0], TypeError);
        });
      });
    }

    it("has its handshake with whole messages, however the program receives", async () => {
      const log: string[] = [];
      const setup: Setup<unknown> = {
        layers: [named(log)],
        limits: { receiveQueueSize: 10 },
        // Before the handshake.
        onEvent: (event) => {
          if (event.type === "open") void read(event.conn);
        },
      };
      const read = async (conn: Connection<unknown>) => {
        for await (const message of conn.messages()) log.push(`message ${await message.text()}`);
      };
      await withServer(setup, async (harness) => {
        const client = await harness.open(offer("named.v1"));
        client.send(textFrame("wait"), textFrame(`name ${"x".repeat(50)}`), textFrame("Hello"));
        await eventually("the message", () => log.length === 2);
        assertEquals(log, ["x".repeat(50), "message Hello"]);
      });
    });

    it("limits the messages of its handshake, and then others", async () => {
      const setup: Setup<unknown> = {
        layers: [named()],
        limits: { maxMessageSize: 200 },
        message() {},
      };
      await withServer(setup, async (harness) => {
        const client = await harness.open(offer("named.v1"));
        client.sendText(`name ${"x".repeat(96)}`);
        assertEquals((await client.readClose())[0], 1009);
        const other = await harness.open(offer("named.v1"));
        other.send(textFrame("name Ada"), textFrame("x".repeat(200)), textFrame("x".repeat(201)));
        assertEquals((await other.readClose())[0], 1009);
      });
    });

    it("answers 500 if it can't be created", async () => {
      const decode = (data: Message) => data;
      const errors: (() => unknown)[] = [
        fail,
        () => undefined,
        () => ({ encode: "x" }),
        () => ({ decodeStart() {} }),
        () => Promise.resolve({ decode }),
        () => Promise.reject(new Error("no")),
        () => () => {},
        () => [],
        () => ({}),
        () => ({ encoed: decode }),
        () => ({ decode, heldSize: "1" }),
        () => ({ decode, isFull: 1 }),
        () => ({ decode, maxMessageSize: -1 }),
      ];
      for (const create of errors) {
        const setup = { layers: [layerOf(create as () => MessageLayer)], message() {} };
        await withServer(setup, async (harness) => {
          const client = await harness.request(upgradeRequest(OFFER));
          assertEquals((await client.readHead()).status, 500);
          await client.readToEnd();
          assertEquals(harness.takeErrors().length, 1);
        });
      }
    });

    it("is the first that the client offers, or the one that `upgrade` names", async () => {
      const made: string[] = [];
      const layers = ["a.v1", "b.v1"].map((name) =>
        layerOf(() => (made.push(name), { opened() {} }), name)
      );
      const upgrade = (request: Request) =>
        request.url.endsWith("c")
          ? { protocol: "c" }
          : request.url.endsWith("a")
          ? { protocol: "a.v1" }
          : {};
      await withServer({ layers, upgrade, message() {} }, async (harness) => {
        const selected = async (target: string, ...names: string[]) => {
          const { conn } = await harness.openPair({ ...offer(...names), target });
          return `${conn.protocol} ${made.splice(0)}`;
        };
        assertEquals(await selected("/", "x", "b.v1", "a.v1"), "b.v1 b.v1");
        assertEquals(await selected("/a", "b.v1", "a.v1"), "a.v1 a.v1");
        assertEquals(await selected("/c", "a.v1", "c"), "c ");
        assertEquals(await selected("/", "x"), " ");
      });
    });

    it("comes before resume, where a client offers both", async () => {
      const setup: Setup<unknown> = {
        layers: [NUMBERED],
        resume: true,
        message: (conn, data) => conn.send(data),
      };
      await withServer(setup, async (harness) => {
        const { client, conn } = await harness.openPair(offer("sluice.resume.v1", "numbered.v1"));
        assertEquals([conn.protocol, conn.isResumed], ["numbered.v1", false]);
        client.sendText("1 Hello");
        assertEquals(await client.readMessage(), "1 Hello");
        const resuming = await harness.request(upgradeRequest(offer("sluice.resume.v1")));
        assertEquals((await resuming.readHead()).headers.get("sluice-resume"), '""');
      });
    });

    it("may send and close by itself", async () => {
      let conn!: LayerConnection;
      const layer = { start: (given: LayerConnection) => void (conn = given) };
      await withServer(
        withLayer({ ...layer, encode: () => "never" }, { message() {} }),
        async (harness) => {
          const { client, conn: program } = await harness.openPair(OFFER);
          conn.send("as it is");
          assertEquals(await client.readMessage(), "as it is");
          assertEquals(program.stats().messagesSent, 0);
          conn.close({ closeCode: 4002, reason: "enough" });
          conn.send("too late");
          assertEquals(await client.readClose(), [4002, "enough"]);
        },
      );
    });
  });
}

describe("the memory that a message layer holds", () => {
  it("counts, and ends the connection where there is too much", async () => {
    const layers: PartsLayer[] = [];
    const setup: Setup<unknown> = {
      layers: [layerOf(() => (layers.push(new PartsLayer(1)), layers.at(-1)!))],
      limits: { maxMessageSize: 10_000 },
      memoryBudget: { size: 100_000, sizePerConnection: 0 },
      message() {},
    };
    await withMemoryServer(setup, async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      for (let i = 1; i <= 4; i++) {
        client.sendText(`${"x".repeat(9_000)}-`);
        await settle();
        assertEquals(layers[0]!.heldSize, i * 9_000);
        assert(conn.stats().heldSize >= i * 9_000);
        assert(harness.server.stats().heldSize >= i * 9_000);
      }
      for (let i = 0; i < 10 && conn.state === "open"; i++) {
        client.sendText(`${"x".repeat(9_000)}-`);
        await settle();
      }
      assertEquals((await client.readClose())[0], 1013);
      assert(layers[0]!.isClosed);
      client.sendClose(1013);
      await client.finish();
    });
  });

  it("counts as none if it is no number of bytes", async () => {
    for (const heldSize of [NaN, -1, Infinity, "x" as unknown as number]) {
      const layer = {
        get heldSize() {
          return heldSize;
        },
        decode: (data: Message) => data,
      };
      const setup = withLayer(layer, { memoryBudget: { size: 10_000_000 }, message() {} });
      await withMemoryServer(setup, async (harness) => {
        const { client, conn } = await harness.openPair(OFFER);
        client.sendText("x");
        await settle();
        assert(conn.stats().heldSize >= 0 && conn.stats().heldSize < 100_000);
      });
    }
  });
});

describe("a message layer that is full", () => {
  it("pauses the peer until the program takes a message", async () => {
    let waiting = 0;
    const layer: MessageLayer = {
      get isFull() {
        return waiting >= 2;
      },
      decode: (data) => (waiting++, data),
      delivered: () => void waiting--,
    };
    await withMemoryServer(withLayer(layer), async (harness) => {
      const { client, conn } = await harness.openPair(OFFER);
      for (const text of ["a", "b", "c", "d"]) client.sendText(text);
      await settle();
      assertEquals(waiting, 2);
      const messages = conn[Symbol.asyncIterator]();
      for (const text of ["a", "b", "c", "d"]) assertEquals((await messages.next()).value, text);
    });
  });
});

describe("the handshake of a message layer", () => {
  it("is spared the rate limits, and what comes behind it is not", async () => {
    const setup: Setup<unknown> = {
      layers: [named()],
      rateLimits: { bytesPerSecond: 10, messagesPerSecond: 1, onExceeded: "close" },
      message() {},
    };
    await withMemoryServer(setup, async (harness) => {
      const client = await harness.open(offer("named.v1"));
      client.sendText(`name ${"x".repeat(90)}`);
      await settle();
      assertEquals(client.unreadSize, 0);
      client.sendText("x".repeat(50));
      assertEquals((await client.readClose())[0], 1008);
    });
  });
});

describe("message layers of accept()", () => {
  it("work, too", async () => {
    const socket = new StreamSocket();
    const client = new RawClient(socket);
    socket.resume();
    const log: string[] = [];
    const accepted = accept(socket.server, {
      layers: [named(log)],
      open: () => void log.push("open"),
      message: (conn, data) => conn.send(`re ${data}`),
    });
    client.send(upgradeRequest(offer("named.v1")));
    await client.readHead();
    const conn = await accepted;
    await settle();
    assertEquals(log, []);
    client.send(textFrame("name Ada"), textFrame("Hello"));
    assertEquals(await client.readMessage(), "re Hello");
    assertEquals(log, ["Ada", "open"]);
    conn.abort();
  });
});

for (const { name, withMounted } of STAGES) {
  describe(`WebSockets mounted on ${name}`, () => {
    it("may have message layers", async () => {
      const setup = {
        layers: [NUMBERED],
        message: (conn: Connection, data: string | Uint8Array) => conn.send(data),
      };
      await withMounted(setup, async (server) => {
        const client = await server.open(offer("numbered.v1"));
        client.sendText("1 Hello");
        assertEquals(await client.readMessage(), "1 Hello");
      });
    });
  });
}

describe("the option layers", () => {
  const refused: [what: string, layers: unknown][] = [
    ["no array", {}],
    ["no definition", [1]],
    ["no subprotocol", [{ create: () => ({}) }]],
    ["a subprotocol that is no token", [{ subprotocol: "a b", create: () => ({}) }]],
    ["no create", [{ subprotocol: "a" }]],
    ["an unknown name", [{ subprotocol: "a", create: () => ({}), decode() {} }]],
    ["two of one subprotocol", [NUMBERED, NUMBERED]],
    ["that of resume", [{ subprotocol: "sluice.resume.v1", create: () => NUMBERED }]],
  ];
  for (const [what, layers] of refused) {
    it(`is refused with ${what}`, async () => {
      const given = { layers: layers as [], message() {} };
      await assertRejects(
        () => withMemoryServer(given, () => Promise.resolve()),
        TypeError,
        "layers",
      );
    });
  }
});
