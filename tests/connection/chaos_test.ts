import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, ConnectionOptions } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import { clientFrame, closeFrame, type RawClient, utf8 } from "../support/raw_client.ts";
import {
  decodeReferenceFrame,
  frameFaults,
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
const CLIENT_ENDS: ((chaos: Chaos) => void)[] = [
  ({ client }) => client.sendClose(1000),
  ({ client }) => client.send(closeFrame(4000).slice(0, 5)),
  ({ client }) => client.send(new Uint8Array(9).fill(0xff)),
  ({ client }) => client.socket.end(),
  ({ client }) => client.socket.reset(),
];
const PROGRAM_DEEDS: ((chaos: Chaos) => void)[] = [
  (chaos) => chaos.track(chaos.conn.send(chaos.message(), { signal: chaos.signal() })),
  (chaos) => void chaos.conn.trySend(chaos.message()),
  (chaos) => chaos.track(chaos.conn.ping({ signal: chaos.signal() })),
  (chaos) => {
    let source!: ReadableStreamDefaultController<string>;
    const stream = new ReadableStream<string>({
      start: (controller) => void chaos.sources.add(source = controller),
      cancel: () => void chaos.sources.delete(source),
    });
    const type = chaos.pick(2) === 0 ? "text" : "binary";
    chaos.track(chaos.conn.sendStream(type, stream, { signal: chaos.signal() }));
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
  (chaos) => void chaos.server.server.shutdown(),
];

/** Programs that receive, each in another way, and get stuck sometimes. */
function createReceiver(pick: Pick): Setup<unknown> {
  const dawdle = () => pick(10) === 0 ? new Promise<void>(() => {}) : settle(pick(3));
  const receivers: Setup<unknown>[] = [
    { message: dawdle },
    { message: (conn, data) => conn.send(data) },
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
function checkFrames(bytes: Uint8Array): void {
  const { continuation, close } = REFERENCE_OPCODES;
  let isInMessage = false;
  for (let found = decodeReferenceFrame(bytes); found !== undefined;) {
    assertEquals(frameFaults(found, "server"), []);
    const { opcode, fin } = found.frame;
    if (opcode < 8) {
      assertEquals(opcode === continuation, isInMessage, "fragments of two messages are mixed");
      isInMessage = !fin;
    }
    if (opcode === close) assertEquals(found.end, bytes.length, "something behind a Close frame");
    found = decodeReferenceFrame(bytes, found.end);
  }
}

async function run(seed: number): Promise<void> {
  const pick = createPick(seed);
  const limits: ConnectionOptions["limits"] = {
    receiveQueueMessages: 1 + pick(4),
    receiveQueueSize: 1 + pick(2000),
    sendHighWaterMark: pick(2000),
    sendQueueSize: 1000 + pick(100_000),
    sendQueueOverflow: (["close", "drop", "wait"] as const)[pick(3)],
  };
  const keepAlive = { intervalMs: 100 + pick(2000), timeoutMs: 100 + pick(2000) };
  const setup = { ...createReceiver(pick), limits, keepAlive };
  await withMemoryServer(setup, async (server) => {
    const client = await server.connect();
    client.send(upgradeRequest());
    await client.readHead();
    const [conn] = server.server.connections;
    const chaos = new Chaos(pick, client, server, conn);
    for (let deeds = pick(60); deeds > 0; deeds--) {
      const kind = pick(40);
      const isClient = pick(2) === 0;
      const list = kind === 0
        ? (isClient ? CLIENT_ENDS : PROGRAM_ENDS)
        : (isClient ? CLIENT_DEEDS : PROGRAM_DEEDS);
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
    assertEquals(chaos.sources.size, 0, "sources are left");
    assert(chaos.promises.every(({ state }) => state !== "pending"), "promises are left");
    checkFrames(await client.readToEnd());
    // A program that is broken off has nothing to report.
    assertEquals(server.takeErrors().filter((error) => !(error instanceof DOMException)), []);
  });
}

describe("a client and a program that do what they like", () => {
  const SEEDS = 300;
  it(`leave nothing behind, with ${SEEDS} seeds`, async () => {
    await Promise.all(Array.from({ length: SEEDS }, (_, seed) =>
      run(seed).catch((cause) => {
        throw new Error(`seed ${seed}: ${cause}`, { cause });
      })));
  });
});
