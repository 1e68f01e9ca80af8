// @waits

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../../src/server/mod.ts";
import { canCount, countSettledSockets, untilSockets } from "../../runtimes/descriptors.ts";
import { clientFrame, type RawClient, textFrame, utf8 } from "../../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../../support/requests.ts";
import { type Harness, MemoryHarness, type Setup, TRANSPORTS } from "../../support/transports.ts";
import { settle } from "../../support/turn.ts";
import { eventually } from "../../support/waiter.ts";
import { Ledger } from "../rig/ledger.ts";
import { endAll, type Fault, FAULT_NAMES, FAULTS, LOST, SILENT, untilOver } from "./faults.ts";

/** Short, as on real sockets they are waited for. */
const TIMES = {
  handshakeTimeoutMs: 1_000,
  responseTimeoutMs: 1_000,
  closeTimeoutMs: 400,
  keepAlive: { intervalMs: 200, timeoutMs: 400 },
};

/** What goes on in a gap. */
class Scene {
  readonly ledger: Ledger = new Ledger();
  readonly #gate = Promise.withResolvers<void>();
  /** How many have come to the gap. */
  arrived = 0;
  /** How many sources of bodies and messages have not been cancelled. */
  sources = 0;

  /** Comes to the gap, and stays there until it is over. */
  stay(): Promise<void> {
    this.arrived++;
    return this.#gate.promise;
  }

  open(): void {
    this.#gate.resolve();
  }

  /** A stream without end, whose first chunk comes at once. */
  createSource(chunk: Uint8Array, isEndless: boolean): ReadableStream<Uint8Array> {
    let count = 0;
    this.sources++;
    this.arrived++;
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (isEndless || count === 0) controller.enqueue(chunk);
        // Nothing comes any more, and the program does not know that.
        else return new Promise(() => {});
        count++;
        return undefined;
      },
      cancel: () => void this.sources--,
    }, { highWaterMark: 0 });
  }
}

interface Gap {
  /** How the server comes to the gap. */
  setup(scene: Scene): Setup<unknown>;
  /** What the clients send, at the end of which they are in the gap. */
  parts: (string | Uint8Array)[];
  /** How many clients there are, on real sockets. */
  count?: number;
  /** Whether the clients do not read. */
  isUnread?: boolean;
  /** Whether there is no connection, only HTTP. */
  isHttp?: boolean;
  /** What may happen to the clients. By default, all of it. */
  faults?: Fault[];
}

const MEBIBYTE = new Uint8Array(1024 * 1024);
const OPENING = [upgradeRequest()];

const GAPS: Record<string, Gap> = {
  "the accept key is computed": {
    setup: (scene) => (scene.arrived = Infinity, { open() {} }),
    parts: OPENING,
  },
  "upgrade is awaited": {
    setup: (scene) => ({ upgrade: () => scene.stay().then(() => ({})), open() {} }),
    parts: [...OPENING, textFrame("early")],
  },
  "fetch is awaited": {
    setup: (scene) => ({ fetch: () => scene.stay().then(() => new Response("late")) }),
    parts: [httpRequest()],
    isHttp: true,
  },
  "the body of a request arrives": {
    setup: (scene) => (scene.arrived = Infinity, { fetch: () => new Response() }),
    parts: [httpRequest({ method: "POST", headers: { "Content-Length": "10" } }), "half"],
    isHttp: true,
  },
  "the body of a response is sent to a client that does not read": {
    setup: (scene) => ({ fetch: () => new Response(scene.createSource(MEBIBYTE, true)) }),
    parts: [httpRequest()],
    count: 8,
    isUnread: true,
    isHttp: true,
  },
  "the next chunk of a response is waited for": {
    setup: (scene) => ({
      fetch: () => new Response(scene.createSource(utf8("part"), false)),
    }),
    parts: [httpRequest()],
    isHttp: true,
    // Who is silent may be waiting for the next chunk.
    faults: ["RST", "FIN"],
  },
  "open is awaited": {
    setup: (scene) => ({ open: () => scene.stay() }),
    parts: [...OPENING, textFrame("early")],
  },
  "message is awaited": {
    setup: (scene) => ({ message: () => scene.stay() }),
    parts: [...OPENING, textFrame("a"), textFrame("b")],
  },
  "a handler has a message in hand": {
    setup: (scene) => ({
      async handler(conn) {
        for await (const _ of conn) await scene.stay();
      },
    }),
    parts: [...OPENING, textFrame("a"), textFrame("b")],
  },
  "a handler waits for a message": {
    setup: (scene) => ({
      async handler(conn) {
        scene.arrived++;
        for await (const _ of conn);
      },
    }),
    parts: OPENING,
  },
  "the readable is read": {
    setup: (scene) => ({
      async handler(conn) {
        scene.arrived++;
        await conn.readable.getReader().read().catch(() => {});
      },
    }),
    parts: OPENING,
  },
  "the rest of a message is waited for": {
    setup: (scene) => ({
      async handler(conn) {
        for await (const { body } of conn.messages()) {
          scene.arrived++;
          await scene.ledger.track("the body", body.pipeTo(new WritableStream())).catch(() => {});
        }
      },
    }),
    parts: [...OPENING, clientFrame({ opcode: 1, payload: utf8("half"), fin: false })],
  },
  "a message is sent as a stream": {
    setup: (scene) => ({
      open(conn) {
        const stream = scene.createSource(utf8("part"), false);
        void scene.ledger.track("sendStream", conn.sendStream("text", stream));
        void scene.ledger.track("what waits behind it", conn.send("behind"));
      },
    }),
    parts: OPENING,
  },
  "a message is sent as a stream to a client that does not read": {
    setup: (scene) => ({
      open(conn) {
        const stream = scene.createSource(MEBIBYTE, true);
        void scene.ledger.track("sendStream", conn.sendStream("binary", stream));
      },
    }),
    parts: OPENING,
    count: 8,
    isUnread: true,
  },
  "send waits for a client that does not read": {
    setup: (scene) => ({
      limits: { sendQueueSize: Infinity },
      open(conn) {
        scene.arrived++;
        for (let i = 0; i < 12; i++) void scene.ledger.track("send", conn.send(MEBIBYTE));
        void scene.ledger.track("ping", conn.ping());
      },
    }),
    parts: OPENING,
    count: 8,
    isUnread: true,
  },
  "a handler writes to a client that does not read": {
    setup: (scene) => ({
      limits: { sendQueueSize: Infinity },
      async handler(conn) {
        scene.arrived++;
        const writer = conn.writable.getWriter();
        // The stream of Node fails an assertion of its own where it has errored.
        const write = async () => await writer.write(MEBIBYTE);
        for (;;) await scene.ledger.track("write", write());
      },
    }),
    parts: OPENING,
    count: 8,
    isUnread: true,
  },
  "a Pong is waited for": {
    setup: (scene) => ({
      open(conn: Connection) {
        scene.arrived++;
        void scene.ledger.track("ping", conn.ping());
      },
    }),
    parts: OPENING,
  },
};

/** How many clients there are in memory, where nothing is bought by more. */
const COUNT_IN_MEMORY = 3;
const COUNT = 40;

for (const { name, withServer } of TRANSPORTS) {
  const isMemory = name === "memory";

  const run = async (gap: Gap, fault: Fault): Promise<void> => {
    const scene = new Scene();
    const setup = scene.ledger.watch({ ...TIMES, memoryBudget: false, ...gap.setup(scene) });
    await withServer(setup, async (server) => {
      // What a runtime opens once, it opens now.
      (await server.connect()).socket.reset();
      await untilOver(server.server);
      const sockets = canCount && !isMemory ? await countSettledSockets() : 0;

      const count = isMemory ? COUNT_IN_MEMORY : gap.count ?? COUNT;
      const clients: RawClient[] = [];
      for (let i = 0; i < count; i++) {
        const client = await server.connect();
        if (gap.isUnread) client.socket.pause();
        client.send(...gap.parts);
        clients.push(client);
      }
      await eventually("all to be in the gap", () => scene.arrived >= count);
      await settle();
      for (const client of clients) FAULTS[fault](client);
      await settle();
      scene.open();
      if (isMemory) await pass(server, 100_000);
      await untilOver(server.server);
      // Those that do not read have not seen the end yet.
      for (const client of clients) if (!client.isClosed) client.socket.resume();
      await endAll(clients);

      assertEquals(scene.sources, 0, "sources are not cancelled");
      scene.ledger.check(server.server);
      checkEnds(scene, gap, fault, count);
      if (canCount && !isMemory) await untilSockets(sockets);
    });
  };

  describe(`a client that is lost over ${name}`, () => {
    for (const [what, gap] of Object.entries(GAPS)) {
      for (const fault of gap.faults ?? FAULT_NAMES) {
        it(`by ${fault} while ${what}`, () => run(gap, fault));
      }
    }
  });
}

function checkEnds({ ledger }: Scene, gap: Gap, fault: Fault, count: number): void {
  const { ends } = ledger;
  if (gap.isHttp) assertEquals(ends.length, 0);
  else if (fault !== "RST") assertEquals(ends.length, count);
  // The runtimes differ in whether they see the reset of a client they do not read.
  assert(ends.length <= count);
  for (const end of ends) assertEquals(end, fault === "silence" ? SILENT : LOST);
}

async function pass(server: Harness<unknown>, ms: number): Promise<void> {
  assert(server instanceof MemoryHarness);
  await server.clock.advance(ms);
}
