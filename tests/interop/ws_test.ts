/**
 * What the client of the `ws` package sees of a server, beyond the scenarios of `matrix/`.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import {
  type CloseInfo,
  type Connection,
  type ConnectionCallbacks,
  type Message,
  serve,
  type ServeOptions,
  type Server,
} from "../../mod.ts";
import { Random } from "../codec/support.ts";
import { assertMessage, bothOf, bytesOf, textOf } from "./messages.ts";
import {
  type ConnectOptions,
  type DeflateOffer,
  Inbox,
  type PeerClose,
  type PeerSocket,
  RefusedError,
} from "./peer.ts";
import { wsPeer } from "./ws_peer.ts";

/** A server, and what connects to it. */
interface Stage {
  server: Server;
  connect(options?: ConnectOptions): Promise<PeerSocket>;
  /** Connects, and gives both ends. */
  pair(options?: ConnectOptions): Promise<{ socket: PeerSocket; conn: Connection }>;
}

async function withServer(
  options: ServeOptions & Partial<ConnectionCallbacks>,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const conns = new Inbox<Connection>();
  const server = await serve({
    hostname: "127.0.0.1",
    port: 0,
    open: (conn) => conns.push(conn),
    message: (conn, data) => conn.send(data),
    ...options,
  });
  const connect = (options = {}) => wsPeer.connect(server.url, options);
  const pair = async (options = {}) => ({
    socket: await connect(options),
    conn: await conns.take(),
  });
  try {
    await body({ server, connect, pair });
  } finally {
    await server.shutdown();
  }
}

interface End {
  what: string;
  options?: ServeOptions & Partial<ConnectionCallbacks>;
  act(socket: PeerSocket, conn: Connection, server: Server): unknown;
  socket: PeerClose;
  conn: Partial<CloseInfo>;
}

const ENDS: End[] = [
  {
    what: "closes without a code",
    act: (socket) => socket.close(),
    socket: { closeCode: 1005, reason: "" },
    conn: { closeCode: 1005, wasClean: true, initiator: "remote" },
  },
  {
    what: "drops the connection",
    act: (socket) => socket.terminate(),
    socket: { closeCode: 1006, reason: "" },
    conn: { closeCode: 1006, wasClean: false, initiator: "remote" },
  },
  {
    what: "sends a message past the limit",
    options: { limits: { maxMessageSize: 1000 } },
    act: (socket) => socket.send(bytesOf(1001)),
    socket: {
      closeCode: 1009,
      reason: "Cannot receive a message of 1001 bytes: at most 1000 are allowed",
    },
    conn: { closeCode: 1009, initiator: "local" },
  },
  {
    what: "sees the server abort",
    act: (_, conn) => conn.abort(),
    socket: { closeCode: 1006, reason: "" },
    conn: { wasClean: false, initiator: "local" },
  },
  {
    what: "sees the server shut down",
    act: (_socket, _conn, server) => server.shutdown({ reason: "maintenance" }),
    socket: { closeCode: 1001, reason: "maintenance" },
    conn: { closeCode: 1001, wasClean: true, initiator: "local" },
  },
];

describe("a client of ws", () => {
  for (const { what, options = {}, act, ...expected } of ENDS) {
    it(what, () =>
      withServer(options, async ({ server, pair }) => {
        const { socket, conn } = await pair();
        await act(socket, conn, server);
        assertEquals(await socket.closed, expected.socket);
        const end = await conn.closed;
        for (const [key, value] of Object.entries(expected.conn)) {
          assertEquals(end[key as keyof CloseInfo], value, key);
        }
      }));
  }

  it("agrees upon a subprotocol", () =>
    withServer({
      upgrade: (_, { subprotocols }) =>
        subprotocols.includes("v2.chat") ? { protocol: "v2.chat" } : {},
    }, async ({ pair }) => {
      for (const [protocols, agreed] of [[["v1.chat", "v2.chat"], "v2.chat"], [[], ""]] as const) {
        const { socket, conn } = await pair({ protocols: [...protocols] });
        assertEquals([socket.protocol, conn.protocol], [agreed, agreed]);
      }
    }));

  it("sees with which status it is refused", () =>
    withServer({
      maxConnections: 1,
      upgrade: ({ headers }) =>
        headers.has("Sec-WebSocket-Protocol") ? new Response("who?", { status: 401 }) : {},
    }, async ({ connect }) => {
      const refused = async (options: ConnectOptions, status: number) => {
        assertEquals((await assertRejects(() => connect(options), RefusedError)).status, status);
      };
      await refused({ protocols: ["other"] }, 401);
      await refused({ origin: "http://example.com" }, 403);
      await connect();
      await refused({}, 503);
    }));
});

const WITH_WINDOWS = { threshold: 0, serverMaxWindowBits: 15, clientMaxWindowBits: 15 };

const OFFERS: DeflateOffer[] = [false, true].flatMap((serverNoContextTakeover) =>
  [false, true].flatMap((clientNoContextTakeover) =>
    ([[undefined, true], [9, false], [15, 9], [undefined, 15]] as const).map((
      [serverMaxWindowBits, clientMaxWindowBits],
    ) => ({
      serverNoContextTakeover,
      clientNoContextTakeover,
      serverMaxWindowBits,
      clientMaxWindowBits,
    }))
  )
);

for (const contextTakeover of [true, false]) {
  const kept = contextTakeover ? "kept" : "not kept";
  describe(`a client of ws that compresses, the window ${kept}`, () => {
    const compression = { contextTakeover, ...WITH_WINDOWS };
    const noise = new Random(42).bytes(20_000);

    it("exchanges messages of all sizes both ways at once", () =>
      withServer({ compression }, async ({ connect }) => {
        const socket = await connect();
        const sizes = [0, 1, 125, 126, 1023, 1024, 4095, 40_000, 0, 65_535, 65_536, 300_000, 7];
        const messages = sizes.flatMap((size) => [...bothOf(size), noise.slice(0, size)]);
        for (const message of messages) socket.send(message);
        for (const message of messages) assertMessage(await socket.receive(), message);
      }));

    it("takes messages that are not compressed between others", () => {
      let count = 0;
      const message = (conn: Connection, data: Message) =>
        conn.send(data, { compress: count++ % 3 !== 0 });
      return withServer({ compression, message }, async ({ connect }) => {
        const socket = await connect();
        for (let i = 0; i < 30; i++) {
          const message = i % 2 ? textOf(100 * i) : bytesOf(100 * i);
          socket.send(message);
          assertMessage(await socket.receive(), message);
        }
      });
    });

    for (const offer of OFFERS) {
      it(`has what it offers: ${JSON.stringify(offer)}`, () =>
        withServer({ compression }, async ({ pair }) => {
          const { socket, conn } = await pair({ deflate: offer });
          const { extensions } = conn;
          assert(socket.extensions.includes("permessage-deflate"));
          const { clientMaxWindowBits: bits } = offer;
          const has = (pattern: RegExp) => pattern.test(extensions);
          const bitsOf = (pattern: RegExp) => Number(pattern.exec(extensions)?.[1] ?? 15);
          assertEquals({
            serverNoContextTakeover: has(/server_no_context/),
            clientNoContextTakeover: has(/client_no_context/),
            serverMaxWindowBits: bitsOf(/server_max_window_bits=(\d+)/),
            clientMaxWindowBits: bitsOf(/client_max_window_bits=(\d+)/),
          }, {
            serverNoContextTakeover: !contextTakeover || offer.serverNoContextTakeover,
            clientNoContextTakeover: !contextTakeover || offer.clientNoContextTakeover,
            serverMaxWindowBits: offer.serverMaxWindowBits ?? 15,
            clientMaxWindowBits: typeof bits === "number" ? bits : 15,
          });

          // Repetitions that are within the windows, and that are not.
          for (const size of [100, 700, 5000, 20_000]) {
            const part = noise.subarray(0, size);
            const twice = Uint8Array.from([...part, ...part]);
            for (const message of [part, twice, textOf(size), "", textOf(size)]) {
              socket.send(message);
              assertMessage(await socket.receive(), message);
            }
          }
          const text = textOf(70_000);
          socket.sendFragments([text.slice(0, 100), "", text.slice(100)]);
          const pong = socket.ping(Uint8Array.of(1, 2, 3));
          assertMessage(await socket.receive(), text);
          assertEquals(await pong, Uint8Array.of(1, 2, 3));
          socket.close(3000, "enough");
          const { closeCode, reason, wasClean } = await conn.closed;
          assertEquals([closeCode, reason, wasClean], [3000, "enough", true]);
        }));
    }
  });
}
