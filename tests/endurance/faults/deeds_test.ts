import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ConnectionClosedError } from "../../../mod.ts";
import type { Connection, Handler, RequestInfo, ServeOptions } from "../../../src/server/mod.ts";
import { createPick, type Pick } from "../../connection/pick.ts";
import type { MemorySocket } from "../../support/memory_channel.ts";
import { clientFrame, closeFrame, type RawClient, utf8 } from "../../support/raw_client.ts";
import {
  decodeReferenceFrame,
  frameFaults,
  REFERENCE_OPCODES,
} from "../../support/reference_frames.ts";
import { httpRequest, upgradeRequest } from "../../support/requests.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../../support/transports.ts";
import { settle } from "../../support/turn.ts";
import { Ledger } from "../rig/ledger.ts";

/** What the program throws on purpose. */
class Deliberate extends Error {}

/** A program whose every callback does what a seed says. */
class Program {
  readonly pick: Pick;
  readonly ledger: Ledger = new Ledger(true);
  server: MemoryHarness<unknown> | undefined;
  /** What ends endless recursion: a callback's deed may have it called again. */
  #left = 300;
  readonly #conns: Connection[] = [];
  readonly #waits = new Set<Promise<void>>();

  constructor(pick: Pick) {
    this.pick = pick;
  }

  /** Does some deeds: to the connection at hand, or, where there is none, to any. */
  act(conn: Connection | undefined): void {
    if (conn !== undefined && !this.#conns.includes(conn)) this.#conns.push(conn);
    for (let deeds = this.pick(4); deeds > 0; deeds--) {
      if (this.#left-- <= 0) return;
      const target = conn ?? this.#conns[this.pick(this.#conns.length + 1)];
      const deed = DEEDS[this.pick(DEEDS.length)];
      if (target !== undefined) deed(this, target);
    }
  }

  /** Acts, and then returns, throws, rejects, or never comes to an end. */
  call(conn: Connection | undefined): void | Promise<void> {
    this.act(conn);
    const way = this.#left <= 0 ? 0 : this.pick(12);
    if (way < 6) return;
    if (way === 6) throw new Deliberate("thrown");
    if (way === 7) return Promise.reject(new Deliberate("rejected"));
    if (way === 8) return new Promise(() => {});
    if (way === 9) return this.wait(this.pick(3)).then(() => this.act(conn));
    if (way === 10) {
      return this.wait(this.pick(3)).then(() => Promise.reject(new Deliberate("late")));
    }
    return conn === undefined ? undefined : conn.send("answer");
  }

  /** Lets some turns pass. */
  wait(turns: number): Promise<void> {
    const wait = settle(turns).finally(() => this.#waits.delete(wait));
    this.#waits.add(wait);
    return wait;
  }

  /** Waits for all callbacks that wait, however slow the threads are that their turns depend on. */
  async untilIdle(): Promise<void> {
    while (this.#waits.size > 0) await Promise.all(this.#waits);
  }

  message(): string | Uint8Array {
    const size = [0, 10, 300, 20_000, 70_000][this.pick(5)];
    return this.pick(2) === 0 ? "x".repeat(size) : new Uint8Array(size);
  }
}

/** Everything there is to be done to a connection, or to its server. */
const DEEDS: ((program: Program, conn: Connection) => void)[] = [
  ({ ledger, message, pick }, conn) =>
    void ledger.track("send", conn.send(message.call({ pick } as Program))),
  (program, conn) => void conn.trySend(program.message()),
  ({ ledger, pick }, conn) => {
    const stream = new ReadableStream<string>({
      start(controller) {
        controller.enqueue("part");
        const way = pick(4);
        if (way === 0) controller.close();
        if (way === 1) controller.error(new Deliberate("of a stream"));
        return way === 2 ? Promise.reject(new Deliberate("of a start")) : undefined;
      },
    });
    void ledger.track("sendStream", conn.sendStream("text", stream));
  },
  ({ ledger }, conn) => void ledger.track("ping", conn.ping()),
  ({ ledger }, conn) => void ledger.track("close", conn.close({ closeCode: 4000 })),
  (_, conn) => conn.abort(),
  ({ ledger }, conn) => void ledger.track("closed", conn.closed),
  ({ server, pick }) => {
    if (pick(5) === 0) void server?.server.shutdown();
  },
  (_, conn) => void conn.writable.close().catch(() => {}),
  (_, conn) => void conn.writable.abort().catch(() => {}),
  (_, conn) => void [conn.state, conn.bufferedAmount, conn.stats(), conn.request],
];

/** The hooks of the opening handshake, and of what is told. */
function createHooks(program: Program): ServeOptions<unknown> {
  const { pick } = program;
  return {
    upgrade: async (_: Request, { signal }: RequestInfo) => {
      const result = program.call(undefined);
      if (pick(2) === 0) await Promise.race([result, untilAborted(signal)]);
      else await Promise.race([result, program.wait(1)]);
      const way = pick(12);
      if (way === 0) return new Response("no", { status: 403 });
      if (way === 1) return 42 as never;
      return way === 2 ? { protocol: "never offered" } : {};
    },
    fetch: async (_: Request, { signal }: RequestInfo) => {
      const result = program.call(undefined);
      await Promise.race([result, untilAborted(signal), program.wait(1)]);
      const way = pick(4);
      if (way === 0) return undefined as unknown as Response;
      if (way === 1) return new Response(new ReadableStream());
      return new Response("x".repeat(pick(100_000)));
    },
    onEvent: (event) => {
      // A connection is told of before its callback is called.
      void program.call("conn" in event ? event.conn as Connection : undefined)?.catch(() => {});
    },
    onError: (_, conn) => {
      void program.call(conn as Connection | undefined)?.catch(() => {});
    },
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** A program that receives in one of the ways there are, and acts each time it is called. */
function createSetup(program: Program): Setup<unknown> {
  const { pick } = program;
  const hooks = createHooks(program);
  const call = (conn: Connection) => program.call(conn);
  const handlers: Handler<unknown>[] = [
    async (conn) => {
      await program.call(conn);
      for await (const _ of conn) await program.call(conn);
    },
    async (conn) => {
      for await (const message of conn.messages()) {
        await program.call(conn);
        if (pick(2) === 0) await message.bytes();
      }
    },
    (conn) => conn.readable.pipeTo(new WritableStream({ write: () => program.call(conn) })),
    (conn) => program.call(conn),
  ];
  if (pick(3) === 0) return { ...hooks, handler: handlers[pick(handlers.length)] };
  return { ...hooks, open: call, message: call, drain: call, close: call };
}

const CLIENT_DEEDS: ((client: RawClient<MemorySocket>, pick: Pick) => void)[] = [
  (client) => client.sendText("hello"),
  (client) => client.sendBinary(new Uint8Array(3000)),
  (client) => client.send(clientFrame({ opcode: 1, payload: utf8("a"), fin: false })),
  (client) => client.send(clientFrame({ opcode: 0, payload: utf8("b") })),
  (client) => client.sendPing("?"),
  (client, pick) => client.sendPong(String(pick(5))),
  (client) => client.socket.pause(),
  (client) => client.socket.resume(),
  (client, pick) => client.socket.takeSlowly(1 + pick(30_000)),
];
const CLIENT_ENDS: ((client: RawClient<MemorySocket>) => void)[] = [
  (client) => client.sendClose(1000),
  (client) => client.send(closeFrame(4000).slice(0, 5)),
  (client) => client.socket.end(),
  (client) => client.socket.reset(),
  () => {},
];

/** Lets a client do what the seed says, to the end. */
async function runClient(
  client: RawClient<MemorySocket>,
  server: MemoryHarness<unknown>,
  pick: Pick,
): Promise<void> {
  for (let deeds = pick(12); deeds > 0; deeds--) {
    if (!client.hasSentEnd) CLIENT_DEEDS[pick(CLIENT_DEEDS.length)](client, pick);
    if (pick(2) === 0) await settle(1);
    if (pick(8) === 0) await server.clock.advance(pick(1000));
  }
  if (!client.hasSentEnd) CLIENT_ENDS[pick(CLIENT_ENDS.length)](client);
}

/** Checks that what a client got is a response, and then frames a server may send, up to a Close. */
function checkReceived(bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const text = new TextDecoder("latin1").decode(bytes);
  assertEquals(text.slice(0, 9), "HTTP/1.1 ".slice(0, text.length));
  const { continuation, close } = REFERENCE_OPCODES;
  const start = text.indexOf("\r\n\r\n") + 4;
  if (!text.startsWith("HTTP/1.1 101 ") || start < 4) return;
  let isInMessage = false;
  for (let found = decodeReferenceFrame(bytes, start); found !== undefined;) {
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
  const program = new Program(pick);
  const { ledger } = program;
  const setup = ledger.watch({
    ...createSetup(program),
    limits: { sendHighWaterMark: 1000, sendQueueSize: 200_000 },
    keepAlive: { intervalMs: 300, timeoutMs: 300 },
  });
  await withMemoryServer(setup, async (server) => {
    program.server = server;
    const clients: RawClient<MemorySocket>[] = [];
    for (let i = 0; i < 3; i++) {
      if (!server.listener.isListening) break;
      const request = pick(4) === 0 ? httpRequest() : upgradeRequest();
      const client = await server.connect();
      clients.push(client);
      if (pick(4) === 0) client.socket.takeSlowly(1 + pick(500));
      client.send(request);
      if (pick(3) > 0) await settle(1 + pick(3));
      await runClient(client, server, pick);
    }
    await server.clock.advance(100_000);
    // Where a callback never comes to its end nothing is read: the program has to end it.
    for (const conn of server.server.connections) void conn.close();
    for (const client of clients) if (!client.isClosed) client.socket.resume();
    await server.clock.advance(100_000);
    for (const client of clients) if (!client.isClosed) client.socket.reset();
    await program.untilIdle();
    await settle();
    assertEquals(server.clock.pending, [], "timers are left");
    ledger.check(server.server);
    for (const client of clients) checkReceived(await client.readToEnd());
    for (const error of server.takeErrors()) {
      const isExpected = error instanceof Deliberate || error instanceof ConnectionClosedError ||
        /the hook|hook (did not return|returned)|subprotocol|not offer/.test(String(error));
      assert(isExpected, `reported: ${error}`);
    }
  });
}

describe("callbacks that do anything to their connection", () => {
  const { error: print } = console;
  before(() => {
    // What onError throws itself is printed.
    console.error = () => {};
  });
  after(() => {
    console.error = print;
  });

  const SEEDS = 1000;
  it(`leave nothing behind, with ${SEEDS} seeds`, async () => {
    await Promise.all(Array.from({ length: SEEDS }, (_, seed) =>
      run(seed).catch((cause) => {
        throw new Error(`seed ${seed}: ${cause}`, { cause });
      })));
  });
});
