import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, ServeOptions } from "../../src/server/mod.ts";
import { decodeUtf8, type RawClient } from "../support/raw_client.ts";
import { deflateAlone, ReferenceInflater } from "../support/reference_deflate.ts";
import { concatBytes, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { streamOf } from "../support/stream_of.ts";
import {
  type Harness,
  type Setup,
  withConnection,
  withMemoryServer,
} from "../support/transports.ts";
import { settle, turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const OFFER = "permessage-deflate; client_max_window_bits";
/** What a server that keeps windows answers to it. */
const WITH_TAKEOVER = "permessage-deflate; server_max_window_bits=13; client_max_window_bits=13";
const { text, binary, continuation } = REFERENCE_OPCODES;

/** Reads a message, compressed or not, of one frame or more. */
async function readMessage(
  client: RawClient,
  inflater: ReferenceInflater,
): Promise<{ data: string | Uint8Array; isCompressed: boolean; size: number }> {
  const { opcode, rsv, payload } = await client.readPayload();
  const isCompressed = rsv === 4;
  const content = isCompressed ? inflater.inflate(payload) : payload;
  const data = opcode === text ? decodeUtf8(content) : content;
  return { data, isCompressed, size: payload.length };
}

async function open(server: Harness, offer = OFFER) {
  const pair = await server.openPair({ headers: { "Sec-WebSocket-Extensions": offer } });
  pair.client.allowsRsv1 = true;
  return pair;
}

describe("what is agreed upon", () => {
  const ROWS: [ServeOptions["compression"], offer: string | undefined, answer: string][] = [
    [undefined, OFFER, ""],
    [false, OFFER, ""],
    [true, undefined, ""],
    [
      true,
      OFFER,
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ],
    [{ contextTakeover: true }, OFFER, WITH_TAKEOVER],
    [
      { contextTakeover: true, serverMaxWindowBits: 15, clientMaxWindowBits: 15 },
      OFFER,
      "permessage-deflate",
    ],
    [
      { contextTakeover: true, serverMaxWindowBits: 12, clientMaxWindowBits: 11 },
      OFFER,
      "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11",
    ],
    [true, "permessage-deflate; server_max_window_bits=8", ""],
    [
      { contextTakeover: true },
      "x-unknown, permessage-deflate; foo, permessage-deflate",
      // One that can't be told the size of its window.
      "permessage-deflate; client_no_context_takeover; server_max_window_bits=13",
    ],
  ];
  for (const [compression, offer, answer] of ROWS) {
    it(`${JSON.stringify(compression)} and ${offer}: "${answer}"`, () =>
      withMemoryServer({ compression }, async (server) => {
        const client = await server.request(
          upgradeRequest({ headers: { "Sec-WebSocket-Extensions": offer } }),
        );
        const { headers } = await client.readHead();
        assertEquals(headers.get("sec-websocket-extensions") ?? "", answer);
        const [conn] = server.server.connections;
        assertEquals(conn.extensions, answer);
      }));
  }

  it("is without takeover past maxContexts, and with it again when one has left", () =>
    withMemoryServer({ compression: { contextTakeover: true, maxContexts: 2 } }, async (server) => {
      const bits = "server_max_window_bits=13";
      const none = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; " +
        bits;
      const first = await open(server);
      // One that keeps no window does not count.
      const without = await open(
        server,
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
      );
      const second = await open(server);
      const third = await open(server);
      const conns = [first, without, second, third];
      assertEquals(conns.map(({ conn }) => conn.extensions), [
        WITH_TAKEOVER,
        none,
        WITH_TAKEOVER,
        `${none}; client_max_window_bits=13`,
      ]);
      third.client.socket.reset();
      await third.conn.closed;
      assertEquals(
        (await open(server)).conn.extensions,
        `${none}; client_max_window_bits=13`,
      );
      first.client.socket.reset();
      await first.conn.closed;
      assertEquals((await open(server)).conn.extensions, WITH_TAKEOVER);
    }));
});

describe("which messages are compressed", () => {
  const withOpen = (
    compression: ServeOptions["compression"],
    body: (client: RawClient, conn: Connection) => Promise<void>,
  ) =>
    withMemoryServer({ compression }, async (server) => {
      const { client, conn } = await open(server);
      await body(client, conn);
    });

  it("those from 1 KiB on, unless it is said of one", () =>
    withOpen(true, async (client, conn) => {
      const inflater = new ReferenceInflater(15, false);
      const rows: [string | Uint8Array, boolean | undefined, boolean][] = [
        ["x".repeat(1023), undefined, false],
        ["x".repeat(1024), undefined, true],
        ["x".repeat(1025), undefined, true],
        [new Uint8Array(1023), undefined, false],
        [new Uint8Array(1024), undefined, true],
        ["x", true, true],
        ["", true, true],
        ["x".repeat(5000), false, false],
        [new Uint8Array(5000), false, false],
      ];
      for (const [message, compress, expected] of rows) {
        void conn.send(message, compress === undefined ? {} : { compress });
        const { data, isCompressed } = await readMessage(client, inflater);
        assertEquals(data, message);
        assertEquals(isCompressed, expected);
      }
    }));

  it("and streams, unless it is said of one", () =>
    withOpen(true, async (client, conn) => {
      for (
        const [compress, expected] of [[undefined, true], [true, true], [false, false]] as const
      ) {
        const stream = streamOf(["Hello, ", "", "world"]);
        await conn.sendStream("text", stream, compress === undefined ? {} : { compress });
        const { data, isCompressed } = await readMessage(client, new ReferenceInflater(15, false));
        assertEquals([data, isCompressed], ["Hello, world", expected]);
      }
    }));

  it("none where nothing was agreed upon", () =>
    withConnection({ compression: true }, async ({ client, conn }) => {
      void conn.send("x".repeat(5000), { compress: true });
      assertEquals(await client.readMessage(), "x".repeat(5000));
      await conn.sendStream("text", streamOf(["a"]), { compress: true });
      assertEquals(await client.readMessage(), "a");
    }));

  it("in the order of the calls, mixed, also behind a stream", () =>
    withOpen({ contextTakeover: true, threshold: 0 }, async (client, conn) => {
      const sent = [
        conn.sendStream("text", streamOf(["stre", "am"])),
        conn.send("one", { compress: false }),
        conn.send("two"),
        conn.sendStream("text", streamOf(["plain"]), { compress: false }),
        conn.send("three"),
      ];
      await Promise.all(sent);
      const inflater = new ReferenceInflater(15, true);
      const got = [];
      for (let i = 0; i < 5; i++) {
        const { data, isCompressed } = await readMessage(client, inflater);
        got.push([data, isCompressed]);
      }
      assertEquals(got, [
        ["stream", true],
        ["one", false],
        ["two", true],
        ["plain", false],
        ["three", true],
      ]);
    }));

  it("a message that is like the one before is smaller with takeover", () =>
    withOpen({ contextTakeover: true }, async (client, conn) => {
      const inflater = new ReferenceInflater(15, true);
      const message = JSON.stringify(Array.from({ length: 60 }, (_, i) => Math.sin(i)));
      const sizes = [];
      for (let i = 0; i < 2; i++) {
        void conn.send(message);
        sizes.push((await readMessage(client, inflater)).size);
      }
      assert(sizes[1] < sizes[0] / 4, `${sizes}`);
    }));
});

describe("what arrives compressed", () => {
  const withEcho = (
    body: (client: RawClient, conn: Connection) => Promise<void>,
    limits: ServeOptions["limits"] = {},
  ) =>
    withMemoryServer(
      { compression: true, limits, message: (conn, data) => conn.send(data, { compress: false }) },
      async (server) => {
        const { client, conn } = await open(server);
        await body(client, conn);
      },
    );

  it("may be longer than it would be without: up to an eighth and 1 KiB", () =>
    withEcho(async (client) => {
      const random = Uint8Array.from({ length: 10_000 }, (_, i) => Math.sin(i * i) * 1e6);
      const payload = deflateAlone(random, 13, { level: 0 });
      assert(payload.length > random.length);
      client.sendFrame({ opcode: binary, rsv: 4, payload });
      assertEquals(await client.readMessage(), random);
      const padding = Array.from({ length: 500 }, () => Uint8Array.of(0, 0, 0, 255, 255));
      client.sendFrame({ opcode: binary, rsv: 4, payload: concatBytes([...padding, payload]) });
      assertEquals((await client.readClose())[0], 1009);
    }, { maxMessageSize: 10_000 }));
});

describe("a bomb", () => {
  const zeros = deflateAlone(new Uint8Array(64 * MiB));

  it("is stopped at the limit, whole and in fragments", () =>
    withMemoryServer({ compression: true, message() {} }, async (server) => {
      for (const fragments of [1, 7, 1000]) {
        const { client } = await open(server);
        const size = Math.ceil(zeros.length / fragments);
        for (let i = 0; i < zeros.length && !client.unreadSize; i += size) {
          client.sendFrame({
            opcode: i === 0 ? binary : continuation,
            rsv: i === 0 ? 4 : 0,
            fin: i + size >= zeros.length,
            payload: zeros.subarray(i, i + size),
          });
          await turn();
        }
        assertEquals((await client.readClose())[0], 1009);
      }
    }));

  it("is inflated as it is read, where it is read as a stream", () =>
    withMemoryServer(
      { compression: true, limits: { maxMessageSize: Infinity } },
      async (server) => {
        const { client, conn } = await open(server);
        const messages = conn.messages();
        client.sendFrame({ opcode: binary, rsv: 4, payload: zeros });
        client.sendText("behind it");
        const { value } = await messages.next();
        const reader = value!.body.getReader();
        let size = 0;
        let most = 0;
        for (;;) {
          await settle(1);
          most = Math.max(most, conn.stats().heldSize);
          const { done, value } = await reader.read();
          if (done) break;
          size += value.length;
        }
        assertEquals(size, 64 * MiB);
        assert(most < 2 * MiB, `${most} bytes were held`);
        assertEquals(await (await messages.next()).value!.text(), "behind it");
        assertEquals(conn.stats().heldSize, 0);
      },
    ));

  it("may be dropped in the middle", () =>
    withMemoryServer(
      { compression: { contextTakeover: true }, limits: { maxMessageSize: Infinity } },
      async (server) => {
        const { client, conn } = await open(server);
        const messages = conn.messages();
        client.sendFrame({ opcode: binary, rsv: 4, payload: zeros });
        client.sendText("behind it");
        await messages.next();
        assertEquals(await (await messages.next()).value!.text(), "behind it");
      },
    ));

  it("leaves nothing behind where the connection ends within it", () =>
    withMemoryServer(
      { compression: true, limits: { maxMessageSize: Infinity } },
      async (server) => {
        for (const end of ["reset", "close", "abort"] as const) {
          const { client, conn } = await open(server);
          const messages = conn.messages();
          client.sendFrame({ opcode: binary, rsv: 4, payload: zeros });
          const { value } = await messages.next();
          await value!.body.getReader().read();
          if (end === "reset") client.socket.reset();
          else if (end === "abort") conn.abort();
          else {
            void conn.close();
            await client.answerClose(1000, /.*/);
          }
          await conn.closed;
          assertEquals(conn.stats().heldSize, 0);
        }
      },
    ));
});

describe("what fails with more to inflate, behind a message in hand", () => {
  const zeros = deflateAlone(new Uint8Array(MiB));
  const handlers: Record<string, Setup<unknown>["handler"]> = {
    iterate: async (conn) => {
      for await (const _ of conn) await settle();
    },
    messages: async (conn) => {
      for await (const message of conn.messages()) {
        await settle();
        await message.bytes();
      }
    },
  };
  for (const [name, handler] of Object.entries(handlers)) {
    it(`is over when that one is handled: ${name}`, () =>
      withMemoryServer(
        { compression: true, limits: { maxMessageSize: 100_000 }, handler },
        async (server) => {
          const { client, conn } = await open(server);
          client.sendText("in hand");
          client.sendFrame({ opcode: binary, rsv: 4, payload: zeros });
          assertEquals((await client.readClose())[0], 1009);
          assertEquals(conn.stats().heldSize, 0);
        },
      ));
  }
});

describe("messages of the time after this side's Close frame", () => {
  it("are not inflated", () =>
    withMemoryServer({ compression: true, message() {} }, async (server) => {
      const { client, conn } = await open(server);
      void conn.close();
      client.sendFrame({ opcode: text, rsv: 4, payload: Uint8Array.of(0xff, 0xff) });
      await client.close();
      await eventually("the end", () => conn.state === "closed");
      assertEquals((await conn.closed).wasClean, true);
    }));
});
