import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, Connection } from "../../../src/server/mod.ts";
import { createPrograms } from "../../connection/programs.ts";
import type { MemorySocket } from "../../support/memory_channel.ts";
import {
  clientFrame,
  closeFrame,
  type RawClient,
  textFrame,
  utf8,
} from "../../support/raw_client.ts";
import { concatBytes } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import { type MemoryHarness, withMemoryServer } from "../../support/transports.ts";
import { settle } from "../../support/turn.ts";
import { Ledger } from "../rig/ledger.ts";
import { type Fault, FAULT_NAMES, FAULTS, LOST, SILENT } from "./faults.ts";

type Client = RawClient<MemorySocket>;

/** Longer than all deadlines one after another. */
const LONG_MS = 100_000;

/** What clients send, frame by frame. */
const STREAMS: Record<string, Uint8Array[]> = {
  "a text": [textFrame("h\u00e9llo \ud83d\ude00")],
  "a message in fragments, with a Ping between": [
    clientFrame({ opcode: 1, payload: utf8("one \u00e9"), fin: false }),
    clientFrame({ opcode: 9, payload: utf8("?") }),
    clientFrame({ opcode: 0, payload: utf8(""), fin: false }),
    clientFrame({ opcode: 0, payload: new Uint8Array(126).fill(0x61) }),
  ],
  "a binary message whose length takes 64 bits": [
    clientFrame({ opcode: 2, payload: new Uint8Array(65_536) }),
  ],
  "a Ping and a Pong": [
    clientFrame({ opcode: 9, payload: new Uint8Array(125) }),
    clientFrame({ opcode: 10, payload: utf8("unasked") }),
  ],
  "a message and a Close frame": [textFrame("last"), closeFrame(4000, "bye")],
  "a Close frame of no code": [closeFrame()],
};

/** Where to cut: everywhere, or at both ends of what is long. */
function cutsOf(length: number): number[] {
  const all = Array.from({ length: length + 1 }, (_, i) => i);
  return length <= 300 ? all : all.filter((i) => i < 40 || i > length - 20 || i % 9_001 === 0);
}

/** How many of the frames are whole where they are cut at `cut`. */
function wholeFrames(frames: Uint8Array[], cut: number): Uint8Array[] {
  let end = 0;
  return frames.filter((frame) => (end += frame.length) <= cut);
}

interface Pair {
  client: Client;
  conn: Connection;
  cut: number;
}

/** Opens a connection for each cut, does something to each, and lets everything come to its end. */
async function runAll(
  server: MemoryHarness<unknown>,
  cuts: number[],
  fault: Fault,
  begin: (pair: Pair) => Promise<void>,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const cut of cuts) pairs.push({ ...await server.openPair(), cut });
  await Promise.all(pairs.map(begin));
  await settle();
  for (const { client } of pairs) if (!client.hasSentEnd) FAULTS[fault](client);
  await settle();
  await server.clock.advance(LONG_MS);
  await settle();
  assertEquals(server.clock.pending, [], "timers are left");
  return pairs;
}

/** Checks how a connection ended. */
async function checkEnd({ conn, cut }: Pair, expected: CloseInfo): Promise<void> {
  assertEquals(conn.state, "closed");
  assertEquals(await conn.closed, expected, `after ${cut} bytes`);
}

const PROGRAMS = Object.keys(createPrograms(() => {}));

for (const program of PROGRAMS) {
  describe(`a client that is cut off at any byte of its frames, with ${program}`, () => {
    for (const fault of FAULT_NAMES) {
      for (const [what, frames] of Object.entries(STREAMS)) {
        it(`by ${fault} in ${what}`, () => {
          const ledger = new Ledger();
          const track = (promise: Promise<unknown>) => void ledger.track("the program", promise);
          const setup = ledger.watch(createPrograms(track)[program]);
          return withMemoryServer(setup, async (server) => {
            const bytes = concatBytes(frames);
            const begin = ({ client, conn, cut }: Pair) => {
              client.send(bytes.subarray(0, cut));
              ledger.track("a ping", conn.ping());
              return Promise.resolve();
            };
            for (const pair of await runAll(server, cutsOf(bytes.length), fault, begin)) {
              const whole = wholeFrames(frames, pair.cut);
              const hasClose = whole.some(([first]) => first === 0x88);
              await checkEnd(pair, expectedEnd(fault, hasClose, what));
              checkCounts(pair, whole, program);
            }
            ledger.check(server.server);
          });
        });
      }
    }
  });
}

function expectedEnd(fault: Fault, hasClose: boolean, what: string): CloseInfo {
  if (!hasClose) return fault === "silence" ? SILENT : LOST;
  const status = what.endsWith("no code")
    ? { closeCode: 1005, reason: "" }
    : { closeCode: 4000, reason: "bye" };
  return { ...status, wasClean: true, initiator: "remote" };
}

function checkCounts({ conn, cut }: Pair, whole: Uint8Array[], program: string): void {
  const { bytesReceived, messagesReceived, receiveQueueLength } = conn.stats();
  const messages = whole.filter(([first]) => (first & 0x80) !== 0 && (first & 8) === 0).length;
  // What arrives as a stream counts from its first byte on.
  const begun = program === "streamed messages" ? 1 : 0;
  assertEquals([bytesReceived, receiveQueueLength], [cut, 0]);
  assert(messagesReceived >= messages && messagesReceived <= messages + begun);
}

describe("a client that is cut off in the closing handshake", () => {
  const run = (
    cuts: number[],
    fault: Fault,
    begin: (pair: Pair) => void | Promise<void>,
    expected: (pair: Pair) => CloseInfo,
  ) => {
    const ledger = new Ledger();
    const setup = ledger.watch({
      message: (conn: Connection, data: string | Uint8Array) =>
        ledger.track("send", conn.send(data)),
    });
    return withMemoryServer(setup, async (server) => {
      const pairs = await runAll(server, cuts, fault, async (pair) => await begin(pair));
      for (const pair of pairs) await checkEnd(pair, expected(pair));
      ledger.check(server.server);
    });
  };
  const own = { closeCode: 4001, reason: "over", initiator: "local" } as const;
  const answer = concatBytes([textFrame("on its way"), closeFrame(4001, "over")]);
  const crossing = closeFrame(4002, "also");

  for (const fault of FAULT_NAMES) {
    it(`by ${fault} at any byte of its answer: clean only where all of it came`, () =>
      run(cutsOf(answer.length), fault, async ({ client, conn, cut }) => {
        void conn.close({ closeCode: 4001, reason: "over" });
        assertEquals(await client.readClose(), [4001, "over"]);
        client.send(answer.subarray(0, cut));
      }, ({ cut }) => ({ ...own, wasClean: cut === answer.length })));

    it(`by ${fault} at any byte of a Close frame that crosses the server's`, () =>
      run(cutsOf(crossing.length), fault, ({ client, conn, cut }) => {
        client.socket.pause();
        void conn.close({ closeCode: 4001, reason: "over" });
        client.send(crossing.subarray(0, cut));
      }, ({ cut }) => ({ ...own, wasClean: cut === crossing.length })));

    it(`by ${fault} after any byte of the server's Close frame`, () =>
      run(cutsOf(8), fault, async ({ client, conn, cut }) => {
        client.socket.pause();
        void conn.send("x".repeat(50_000));
        void conn.close({ closeCode: 4001, reason: "over" });
        await settle();
        client.socket.take(50_004 + cut);
      }, () => ({ ...own, wasClean: false })));

    it(`by ${fault} after any byte of the server's answer: clean, as both were sent`, () =>
      run(cutsOf(4), fault, async ({ client, cut }) => {
        client.socket.pause();
        client.send(closeFrame(4003, "I go"));
        await settle();
        client.socket.take(cut);
      }, () => ({ closeCode: 4003, reason: "I go", wasClean: true, initiator: "remote" })));

    it(`by ${fault} after any byte of the Close frame that fails the connection`, () => {
      const reason = "Cannot receive an unmasked frame from a client";
      const length = 4 + reason.length;
      return run(cutsOf(length), fault, async ({ client, cut }) => {
        client.socket.pause();
        client.send(Uint8Array.of(0x81, 0x01, 0x61));
        await settle();
        client.socket.take(cut);
      }, () => ({ closeCode: 1002, reason, wasClean: false, initiator: "local" }));
    });
  }
});

describe("a client that falls silent at any byte of its request", () => {
  it("gets 408 after 10 seconds, or nothing where it sent nothing", () =>
    withMemoryServer({}, async (server) => {
      const request = utf8(upgradeRequest());
      const clients: Client[] = [];
      for (let cut = 0; cut < request.length; cut++) {
        clients.push(await server.request(request.subarray(0, cut)));
      }
      await server.clock.advance(9_999);
      assertEquals(clients.filter((client) => client.receivedSize > 0 || client.isClosed), []);
      assertEquals(server.server.stats().handshakes, request.length);
      await server.clock.advance(1);
      assertEquals([clients[0].isClosed, clients[0].receivedSize], [true, 0]);
      for (const client of clients.slice(1)) {
        assertEquals((await client.readResponse()).status, 408);
      }
      await server.clock.advance(5_000);
      const { handshakes, refused, connections } = server.server.stats();
      assertEquals({ handshakes, refused, connections }, {
        handshakes: 0,
        refused: { 408: request.length - 1 },
        connections: 0,
      });
      assertEquals(clients.filter(({ isClosed }) => !isClosed), []);
      assertEquals(server.clock.pending, []);
    }));
});
