import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, ConnectionOptions, ServeOptions } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import { playsAll } from "../support/plays_all.ts";
import { clientFrame, closeFrame, type RawClient, utf8 } from "../support/raw_client.ts";
import { deflateAlone, ReferenceInflater } from "../support/reference_deflate.ts";
import {
  concatBytes,
  decodeReferenceFrame,
  frameFaults,
  isReferenceUtf8,
  REFERENCE_OPCODES,
} from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";
import { createPick, type Pick } from "./pick.ts";

/** A client and a program that do what they like. */
class Chaos {
  readonly pick: Pick;
  readonly client: RawClient<MemorySocket>;
  readonly server: MemoryHarness<unknown>;
  readonly conn: Connection;
  readonly promises: Watched<unknown>[] = [];
  /** The sources of messages sent as streams that were neither closed nor cancelled. */
  readonly sources = new Set<ReadableStreamDefaultController<string>>();
  readonly controllers: AbortController[] = [];
  isShutDown = false;

  constructor(
    pick: Pick,
    client: RawClient<MemorySocket>,
    server: MemoryHarness<unknown>,
    conn: Connection,
  ) {
    this.pick = pick;
    this.client = client;
    this.server = server;
    this.conn = conn;
  }

  track(promise: PromiseLike<unknown>): void {
    // Nobody handles some of them.
    if (this.pick(4) > 0) this.promises.push(watch(promise));
  }

  signal(): AbortSignal | undefined {
    if (this.pick(3) > 0) return undefined;
    const controller = new AbortController();
    if (this.pick(5) === 0) controller.abort(new Error("given up before"));
    this.controllers.push(controller);
    return controller.signal;
  }

  compress(): boolean | undefined {
    return [undefined, true, false][this.pick(3)];
  }

  message(): string | Uint8Array {
    const size = [0, 10, 300, 20_000, 70_000][this.pick(5)];
    return this.pick(2) === 0 ? "é".repeat(size / 2) : new Uint8Array(size);
  }
}

const CLIENT_DEEDS: ((chaos: Chaos) => void)[] = [
  ({ client }) => client.sendText("hello"),
  ({ client, pick }) => client.sendBinary(new Uint8Array(pick(5000))),
  ({ client }) => client.send(clientFrame({ opcode: 1, payload: utf8("a"), fin: false })),
  ({ client }) => client.send(clientFrame({ opcode: 0, payload: utf8("b"), fin: false })),
  ({ client }) => client.send(clientFrame({ opcode: 0, payload: utf8("c") })),
  ({ client }) => client.sendPing("?"),
  ({ client, pick }) => client.sendPong(String(pick(5))),
  ({ client }) => client.socket.pause(),
  ({ client }) => client.socket.resume(),
  ({ client, pick }) => client.socket.take(pick(30_000)),
  ({ client, pick }) => client.socket.takeSlowly(1 + pick(30_000)),
  ({ client }) => client.send(clientFrame({ opcode: 2, payload: new Uint8Array(99) }).slice(0, 50)),
];
const COMPRESSED_DEEDS: ((chaos: Chaos) => void)[] = [
  ({ client, pick }) => client.send(...compressed(pick, new Uint8Array(pick(5000)), 1)),
  ({ client, pick }) => client.send(...compressed(pick, utf8("é".repeat(pick(5000))), 1)),
  ({ client, pick }) =>
    client.send(...compressed(pick, new Uint8Array(pick(200_000)), 2 + pick(5))),
  ({ client, pick }) => {
    const frames = compressed(pick, new Uint8Array(300_000), 3);
    client.send(...frames.slice(0, 1 + pick(2)));
  },
  ({ client, pick }) => client.send(compressed(pick, new Uint8Array(99), 1)[0].slice(0, 10)),
  // What is far too much, what is no DEFLATE, and blocks with BFINAL.
  ({ client, pick }) => pick(5) > 0 || client.send(...compressed(pick, new Uint8Array(2 ** 21), 1)),
  ({ client, pick }) => {
    if (pick(5) > 0) return;
    client.send(clientFrame({ opcode: 2, rsv: 4, payload: Uint8Array.of(0xff, 0xff) }));
  },
  ({ client }) => {
    client.send(
      clientFrame({ opcode: 2, rsv: 4, payload: Uint8Array.of(3, 0, 1, 0, 0, 255, 255) }),
    );
  },
];

/** The frames of a compressed message, with Pings in between. */
function compressed(pick: Pick, message: Uint8Array, fragments: number): Uint8Array[] {
  const payload = deflateAlone(message, 15);
  const size = Math.ceil(payload.length / fragments);
  return Array.from({ length: fragments }, (_, i) =>
    concatBytes([
      i > 0 && pick(3) === 0 ? clientFrame({ opcode: 9, payload: utf8("?") }) : new Uint8Array(0),
      clientFrame({
        opcode: i === 0 ? 1 + Number(message[0] === 0 || message.length === 0) : 0,
        rsv: i === 0 ? 4 : 0,
        fin: i === fragments - 1,
        payload: payload.subarray(i * size, (i + 1) * size),
      }),
    ]));
}

const CLIENT_ENDS: ((chaos: Chaos) => void)[] = [
  ({ client }) => client.sendClose(1000),
  ({ client }) => client.send(closeFrame(4000).slice(0, 5)),
  ({ client }) => client.send(new Uint8Array(9).fill(0xff)),
  ({ client }) => client.socket.end(),
  ({ client }) => void [client.socket.pause(), client.socket.end()],
  ({ client }) => client.socket.reset(),
];
const PROGRAM_DEEDS: ((chaos: Chaos) => void)[] = [
  (chaos) =>
    chaos.track(chaos.conn.send(chaos.message(), {
      signal: chaos.signal(),
      compress: chaos.compress(),
    })),
  (chaos) => void chaos.conn.trySend(chaos.message()),
  (chaos) => chaos.track(chaos.conn.ping({ signal: chaos.signal() })),
  (chaos) => {
    let source!: ReadableStreamDefaultController<string>;
    const stream = new ReadableStream<string>({
      start: (controller) => void chaos.sources.add(source = controller),
      cancel: () => void chaos.sources.delete(source),
    });
    const type = chaos.pick(2) === 0 ? "text" : "binary";
    const options = { signal: chaos.signal(), compress: chaos.compress() };
    chaos.track(chaos.conn.sendStream(type, stream, options));
  },
  (chaos) => {
    for (const source of chaos.sources) source.enqueue("\ud83d".repeat(chaos.pick(3)));
  },
  (chaos) => {
    const [source] = chaos.sources;
    chaos.sources.delete(source);
    source?.[chaos.pick(3) === 0 ? "error" : "close"]();
  },
  (chaos) => chaos.controllers[chaos.pick(10)]?.abort(new Error("given up")),
  (chaos) => chaos.track(chaos.conn.closed),
  (chaos) => {
    if (chaos.conn.writable.locked) return;
    const writer = chaos.conn.writable.getWriter();
    // Node's stream fails an assertion of its own where it has errored (22.23 and 26.10).
    const write = async () => await writer.write("written");
    chaos.track(write().catch(() => {}));
    if (chaos.pick(6) === 0) chaos.track(writer.close().catch(() => {}));
    writer.closed.catch(() => {});
    writer.ready.catch(() => {});
    writer.releaseLock();
  },
];
const PROGRAM_ENDS: ((chaos: Chaos) => void)[] = [
  (chaos) => chaos.track(chaos.conn.close({ closeCode: 4001 })),
  (chaos) => chaos.conn.abort(),
  (chaos) => {
    chaos.isShutDown = true;
    void chaos.server.server.shutdown();
  },
];

/** Programs that receive, each in another way, and get stuck sometimes. */
function createReceiver(pick: Pick, close: () => void): Setup<unknown> {
  const dawdle = () => pick(10) === 0 ? new Promise<void>(() => {}) : settle(pick(3));
  const receivers: Setup<unknown>[] = [
    { message: dawdle, close },
    { message: (conn, data) => conn.send(data), close },
    {
      async handler(conn) {
        for await (const _ of conn) if (pick(3) === 0) await dawdle();
      },
    },
    {
      async handler(conn) {
        for await (const { type, body } of conn.messages()) {
          const way = pick(4);
          if (way === 0) await dawdle();
          else if (way === 1) await conn.sendStream(type, body);
          else if (way === 2) await body.cancel();
        }
      },
    },
    { handler: (conn) => conn.readable.pipeTo(conn.writable) },
    {},
  ];
  return receivers[pick(receivers.length)];
}

/** Checks that what the client got are frames a server may send, in an order they may have. */
function checkFrames(bytes: Uint8Array, extensions: string): void {
  const { continuation, text, binary, close } = REFERENCE_OPCODES;
  const isCompressing = extensions.startsWith("permessage-deflate");
  const bits = Number(/server_max_window_bits=(\d+)/.exec(extensions)?.[1] ?? 15);
  const inflater = new ReferenceInflater(bits, !extensions.includes("server_no_context_takeover"));
  let fragments: Uint8Array[] = [];
  let isInMessage = false;
  let isText = false;
  let isCompressed = false;
  for (let found = decodeReferenceFrame(bytes); found !== undefined;) {
    const { frame } = found;
    const { opcode, fin, payload } = frame;
    if (opcode === text || opcode === binary) {
      isText = opcode === text;
      isCompressed = isCompressing && frame.rsv === 4;
      // It belongs to the first frame of a message.
      if (isCompressed) frame.rsv = 0;
    }
    assertEquals(frameFaults(found, "server"), []);
    if (opcode < 8) {
      assertEquals(opcode === continuation, isInMessage, "fragments of two messages are mixed");
      isInMessage = !fin;
      fragments.push(payload);
      if (fin) {
        const message = concatBytes(fragments);
        const content = isCompressed ? inflater.inflate(message) : message;
        if (isText) assert(isReferenceUtf8(content), "a text that is not UTF-8");
        fragments = [];
      }
    }
    if (opcode === close) assertEquals(found.end, bytes.length, "something behind a Close frame");
    found = decodeReferenceFrame(bytes, found.end);
  }
}

const OFFERS = [
  "permessage-deflate",
  "permessage-deflate; client_max_window_bits",
  "permessage-deflate; server_max_window_bits=9; client_no_context_takeover",
  "permessage-deflate; server_no_context_takeover",
];

/** Options of compression; at most one connection keeps a window. */
function createCompression(pick: Pick): ServeOptions["compression"] {
  return {
    contextTakeover: pick(3) > 0,
    maxContexts: 1,
    threshold: [0, 300, Infinity][pick(3)],
    memoryLevel: 1 + pick(9),
    serverMaxWindowBits: 9 + pick(7),
  };
}

async function run(seed: number, hasCompression: boolean): Promise<void> {
  const pick = createPick(seed);
  const limits: ConnectionOptions["limits"] = {
    receiveQueueMessages: 1 + pick(4),
    receiveQueueSize: 1 + pick(2000),
    sendHighWaterMark: pick(2000),
    sendQueueSize: 1000 + pick(100_000),
    sendQueueOverflow: (["close", "drop", "wait"] as const)[pick(3)],
  };
  const keepAlive = { intervalMs: 100 + pick(2000), timeoutMs: 100 + pick(2000) };
  const compression = hasCompression && createCompression(pick);
  const headers = hasCompression ? { "Sec-WebSocket-Extensions": OFFERS[pick(OFFERS.length)] } : {};
  const clientDeeds = hasCompression ? [...CLIENT_DEEDS, ...COMPRESSED_DEEDS] : CLIENT_DEEDS;
  let ends = 0;
  const setup = { ...createReceiver(pick, () => void ends++), limits, keepAlive, compression };
  await withMemoryServer(setup, async (server) => {
    const client = await server.connect();
    client.send(upgradeRequest({ headers }));
    await client.readHead();
    const [conn] = server.server.connections;
    const { extensions } = conn;
    const chaos = new Chaos(pick, client, server, conn);
    for (let deeds = pick(60); deeds > 0; deeds--) {
      const kind = pick(40);
      const isClient = pick(2) === 0;
      const list = kind === 0
        ? (isClient ? CLIENT_ENDS : PROGRAM_ENDS)
        : (isClient ? clientDeeds : PROGRAM_DEEDS);
      if (!isClient || !client.hasSentEnd) list[pick(list.length)](chaos);
      if (pick(3) === 0) await settle(1);
      if (pick(20) === 0) await server.clock.advance(pick(1000));
    }
    if (pick(2) === 0 && !client.hasSentEnd) CLIENT_ENDS[pick(CLIENT_ENDS.length)](chaos);
    await server.clock.advance(100_000);
    // A program that does not receive does not see the client's end: it has to end by itself.
    void conn.close();
    await server.clock.advance(100_000);
    await settle();
    assertEquals(conn.state, "closed");
    assertEquals(server.clock.pending, []);
    assertEquals(server.server.connections.size, 0);
    assertEquals(conn.bufferedAmount, 0);
    assertEquals(ends, "close" in setup ? 1 : 0, "calls of the callback close");
    assertEquals(server.channelOf(client).outgoingSize, 0, "bytes are left");
    assertEquals(chaos.sources.size, 0, "sources are left");
    assert(chaos.promises.every(({ state }) => state !== "pending"), "promises are left");
    checkFrames(await client.readToEnd(), extensions);
    // A program that is broken off has nothing to report.
    assertEquals(server.takeErrors().filter((error) => !(error instanceof DOMException)), []);
    if (chaos.isShutDown) return;
    // Whoever comes next gets the same: what was counted for the first one is counted back, once.
    const next = await server.openPair({ headers });
    assertEquals(next.conn.extensions, extensions);
    const another = await server.openPair({ headers });
    const none = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    if (hasCompression) assertEquals(another.conn.extensions.slice(0, none.length), none);
    for (const { conn } of [next, another]) {
      conn.abort();
      await conn.closed;
    }
  });
}

describe("a client and a program that do what they like", () => {
  const SEEDS = playsAll ? 300 : 100;
  for (const hasCompression of [false, true]) {
    const with_ = hasCompression ? "with compression" : "without compression";
    it(`leave nothing behind, ${with_}, with ${SEEDS} seeds`, async () => {
      await Promise.all(
        Array.from({ length: SEEDS }, (_, seed) =>
          run(seed, hasCompression).catch((cause) => {
            throw new Error(`seed ${seed}: ${cause}`, { cause });
          })),
      );
    });
  }
});
