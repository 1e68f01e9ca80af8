import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import type { Connection, Message, Sendable, ServeOptions } from "../../mod.ts";
import type { ConnectionCallbacks } from "../../src/connection/connection.ts";
import type { ConnectOptions } from "../../src/client/options.ts";
import type { LayerDefinition } from "../../src/connection/layer.ts";
import { ConnectionClosedError } from "../../mod.ts";
import { NETWORKS, type Ways } from "../client/networks.ts";
import { streamOf } from "../support/stream_of.ts";
import { eventually } from "../support/waiter.ts";
import { layerOf, named, NUMBERED, PartsLayer, signed } from "./layers.ts";

/** The ways to receive: each gives messages to `take` until the end. */
const STYLES: Record<string, (conn: Connection, take: (data: Message) => void) => unknown> = {
  async iteration(conn, take) {
    for await (const message of conn) take(message);
  },
  async streams(conn, take) {
    for await (const message of conn.messages()) {
      take(message.type === "text" ? await message.text() : await message.bytes());
    }
  },
  async readable(conn, take) {
    for await (const message of conn.readable) take(message);
  },
  asWebSocket(conn, take) {
    const socket = conn.asWebSocket();
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => take(typeof data === "string" ? data : new Uint8Array(data));
  },
};

const BYTES = Uint8Array.of(1, 2, 3);
const LONG = "a long text, ".repeat(20_000);

/** Runs a server and a client that have layers, and gives what was reported on either side. */
async function withPair(
  ways: Ways,
  layers:
    | readonly LayerDefinition[]
    | readonly [readonly LayerDefinition[], readonly LayerDefinition[]],
  server: ServeOptions<undefined> & ConnectionCallbacks<undefined>,
  body: (conn: Connection<undefined>, errors: unknown[], url: string) => Promise<void>,
  client: ConnectOptions<undefined> & ConnectionCallbacks<undefined> = {},
): Promise<void> {
  const [ofServer, ofClient] = Array.isArray(layers[0])
    ? layers as [LayerDefinition[], LayerDefinition[]]
    : [layers as LayerDefinition[], layers as LayerDefinition[]];
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const options = { port: 0, hostname: "127.0.0.1", layers: ofServer, onError, ...server };
  const { open, message, ping, drain, close } = options;
  const running =
    await (open ?? message ?? ping ?? drain ?? close
      ? ways.serve(options)
      : ways.serve(options, (conn) => conn.closed));
  try {
    const conn = await ways.connect(running.url, { layers: ofClient, onError, ...client });
    await body(conn, errors, running.url);
    await conn.close();
  } finally {
    await running.shutdown();
  }
}

const ECHO: ConnectionCallbacks<undefined> = { message: (conn, data) => conn.send(data) };

for (const [network, createWays] of NETWORKS) {
  describe(`a message layer over ${network}`, () => {
    for (const compression of [false, { threshold: 0 }]) {
      for (const [style, receive] of Object.entries(STYLES)) {
        it(`encodes and decodes, for ${style}, ${compression ? "compressed" : "as it is"}`, () =>
          withPair(createWays(), [NUMBERED], { ...ECHO, compression }, async (conn, errors) => {
            assertEquals(conn.protocol, "numbered.v1");
            const received: Message[] = [];
            void receive(conn, (data) => void received.push(data));
            const sent: Sendable[] = ["one", BYTES, "", new Uint8Array(0), LONG];
            for (const data of sent) await conn.send(data);
            assertEquals(conn.trySend("last"), "sent");
            await eventually("all messages", () => received.length === sent.length + 1);
            assertEquals(received, [...sent, "last"]);
            assertEquals(errors, []);
          }, { compression }));
      }

      it(`encodes and decodes streams, ${compression ? "compressed" : "as they are"}`, () => {
        const bodies: string[] = [];
        const handler = async (conn: Connection<undefined>) => {
          for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
        };
        const ways = createWays();
        const serve = ways.serve;
        ways.serve = ((options: ServeOptions<undefined>) =>
          serve(options, handler)) as typeof serve;
        return withPair(ways, [NUMBERED], { compression }, async (conn) => {
          const received = (async () => {
            for await (const message of conn.messages()) {
              bodies.push(`${message.type} ${await message.text()}`);
              if (bodies.length === 4) return;
            }
          })();
          await conn.send("whole");
          await conn.sendStream("text", streamOf(["", "in ", "parts", new Uint8Array(0)]));
          await conn.sendStream("binary", streamOf([]));
          await conn.sendStream("binary", streamOf([LONG, LONG]));
          await received;
          assertEquals(bodies, ["text whole", "text in parts", "binary ", `binary ${LONG}${LONG}`]);
        }, { compression });
      });
    }

    it("may check what it receives, and fail the connection", async () => {
      const ways = createWays();
      const layers = [[signed("one key")], [signed("another")]] as const;
      await withPair(ways, layers, ECHO, async (conn, errors) => {
        await conn.send("Hello");
        const { closeCode, reason, initiator } = await conn.closed;
        assertEquals([closeCode, reason, initiator], [1008, "The signature is wrong", "remote"]);
        assertEquals(errors, []);
      });
      await withPair(ways, [signed("one key")], ECHO, async (conn) => {
        await conn.send("Hello");
        for await (const message of conn) {
          assertEquals(message, "Hello");
          break;
        }
      });
    });

    it("gets messages whole if it can't decode streams", () =>
      withPair(createWays(), [signed("key")], ECHO, async (conn) => {
        await conn.send(LONG);
        for await (const message of conn.messages()) {
          assertEquals(await message.text(), LONG);
          break;
        }
      }));

    it("may have a handshake, before which nothing begins", async () => {
      const names: string[] = [];
      const log: string[] = [];
      const callbacks: ConnectionCallbacks<undefined> = {
        open: () => void log.push(`open ${names}`),
        message: (conn, data) => conn.send(`${names} ${data}`),
        close: () => void log.push("close"),
      };
      await withPair(createWays(), [named(names)], callbacks, async (conn) => {
        await conn.send("Hello");
        for await (const message of conn) {
          assertEquals(message, "Ada Hello");
          break;
        }
      });
      assertEquals(log, ["open Ada", "close"]);
    });

    it("may make one message of several, and several of one", () => {
      const parts = layerOf(() => new PartsLayer(1_000));
      return withPair(createWays(), [parts], ECHO, async (conn) => {
        for (const text of [LONG, "short"]) {
          await conn.send(text);
          for await (const message of conn) {
            assertEquals(message, text);
            break;
          }
        }
        assertEquals(conn.stats().messagesSent, 2);
      });
    });

    it("encodes what is published, for each connection", async () => {
      const ways = createWays();
      const server = await ways.serve({
        port: 0,
        hostname: "127.0.0.1",
        layers: [NUMBERED],
        compression: { threshold: 0 },
        message(conn, data) {
          conn.subscribe("news");
          server.publish("news", data);
        },
      });
      try {
        const other = await ways.connect(server.url);
        await other.send("first");
        const conn = await ways.connect(server.url, { layers: [NUMBERED], compression: true });
        const received: Message[] = [];
        void STYLES.iteration(conn, (data) => void received.push(data));
        await conn.send("second");
        await other.send("third");
        await eventually("two messages", () => received.length === 2);
        assertEquals(received, ["second", "third"]);
        await other.close();
        await conn.close();
      } finally {
        await server.shutdown();
      }
    });

    it("begins anew with each connection of a client that reconnects, which does not resume", async () => {
      const ways = createWays();
      const protocols: string[][] = [];
      const server = await ways.serve({
        port: 0,
        hostname: "127.0.0.1",
        layers: [NUMBERED],
        resume: true,
        upgrade: (_, { subprotocols }) => (protocols.push([...subprotocols]), {}),
        message: (conn, data) => conn.send(data),
      });
      let visits = 0;
      const conns = ways.reconnecting(server.url, { layers: [NUMBERED], delayMs: () => 1 });
      for await (const conn of conns) {
        await conn.send("Hello");
        for await (const message of conn) {
          assertEquals(message, "Hello");
          break;
        }
        assertEquals(conn.isResumed, false);
        if (++visits === 2) break;
        for (const each of server.connections) each.abort();
      }
      assertEquals(protocols, [["numbered.v1"], ["numbered.v1"]]);
      const options = { layers: [NUMBERED], resume: true };
      await assertRejects(() => ways.reconnecting(server.url, options).next(), TypeError, "resume");
      await server.shutdown();
    });

    it("rejects with the end of the connection if it can't encode", () => {
      const failing = layerOf(({ role }) => ({
        encode(data) {
          if (role === "client") throw new RangeError("too much");
          return data;
        },
      }));
      return withPair(createWays(), [failing], ECHO, async (conn, errors) => {
        await assertRejects(() => conn.send("Hello"), ConnectionClosedError);
        assertEquals((await conn.closed).closeCode, 1011);
        assertEquals(errors.map(String), ["RangeError: too much"]);
      });
    });
  });
}
