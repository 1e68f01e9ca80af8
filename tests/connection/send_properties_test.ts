import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Message, Sendable } from "../../src/server/mod.ts";
import { cutAt, cuts, texts } from "../codec/arbitraries.ts";
import { decodeUtf8, utf8 } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch, type Watched } from "../support/watch.ts";
import { type MemoryEnds, withConnection } from "../support/transports.ts";
import { Source } from "./source.ts";

/** What the program, its sources or the client do next. */
type Action =
  | { do: "send" | "trySend"; size: number; isText: boolean }
  | { do: "stream"; type: "text" | "binary"; text: string; cuts: number[]; asBytes: boolean }
  | { do: "feed" | "ping" | "pause" | "resume" | "turn" | "microtask" }
  | { do: "take" | "takeSlowly"; size: number };

// Around the sizes at which headers grow, payloads go by reference, and writes are full.
const sizes = fc.oneof(
  fc.constantFrom(0, 1, 125, 126, 16_384, 16_385, 65_535, 65_536),
  fc.nat(3_000),
);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constantFrom("send", "trySend"), size: sizes, isText: fc.boolean() }),
  fc.record({ do: fc.constantFrom("send", "trySend"), size: sizes, isText: fc.boolean() }),
  fc.record({
    do: fc.constant("stream"),
    type: fc.constantFrom("text", "binary"),
    text: texts,
    cuts,
    asBytes: fc.boolean(),
  }),
  fc.record({
    do: fc.constantFrom("feed", "feed", "ping", "pause", "resume", "turn", "microtask"),
  }),
  fc.record({
    do: fc.constantFrom("take", "takeSlowly"),
    size: fc.integer({ min: 1, max: 90_000 }),
  }),
);
const limits = fc.record({
  sendHighWaterMark: fc.constantFrom(0, 100, 20_000, 65_536),
  sendQueueSize: fc.constantFrom(0, 1_000, 100_000, Infinity),
  sendQueueOverflow: fc.constant("wait" as const),
});

/** A program that sends, and keeps note of what must arrive. */
class Program {
  readonly #ends: MemoryEnds;
  /** The messages, in the order of the calls. */
  readonly meant: Message[] = [];
  readonly sent: Watched<void>[] = [];
  /** The sources that are not finished, and what they have still to give. */
  readonly #sources: { source: Source; chunks: Sendable[] }[] = [];
  #count = 0;

  constructor(ends: MemoryEnds) {
    this.#ends = ends;
  }

  async act(action: Action): Promise<void> {
    const { conn, client } = this.#ends;
    if (action.do === "send") this.#send(action.size, action.isText);
    else if (action.do === "trySend") this.#trySend(action.size, action.isText);
    else if (action.do === "stream") this.#stream(action);
    else if (action.do === "feed") this.#feed();
    else if (action.do === "ping") void conn.ping();
    else if (action.do === "turn") await turn();
    else if (action.do === "microtask") await Promise.resolve();
    else if (action.do === "pause") client.socket.pause();
    else if (action.do === "resume") client.socket.resume();
    else if (action.do === "take") client.socket.take(action.size);
    else if (action.do === "takeSlowly") client.socket.takeSlowly(action.size);
  }

  /** MemoryEnds what is under way. */
  finish(): void {
    while (this.#sources.length > 0) this.#feed();
    this.#ends.client.socket.resume();
  }

  /** Makes a message that is like no other, if it is not too short for that. */
  #create(size: number, isText: boolean): Message {
    const count = this.#count++;
    if (isText) return `${count} `.padEnd(size, "é").slice(0, size);
    return new Uint8Array(size).fill(count);
  }

  #send(size: number, isText: boolean): void {
    const message = this.#create(size, isText);
    this.meant.push(typeof message === "string" ? message : message.slice());
    const sent = this.#ends.conn.send(message);
    this.sent.push(watch(sent));
    // From then on the bytes are free to be used again.
    if (typeof message !== "string") sent.then(() => void message.fill(0xee), () => {});
  }

  #trySend(size: number, isText: boolean): void {
    const message = this.#create(size, isText);
    const copy = typeof message === "string" ? message : message.slice();
    const { bufferedAmount } = this.#ends.conn;
    const result = this.#ends.conn.trySend(message);
    if (result === "dropped") {
      assert(bufferedAmount > 0, "dropped, though the queue was empty");
      assertEquals(this.#ends.conn.bufferedAmount, bufferedAmount);
      return;
    }
    this.meant.push(copy);
    if (typeof message !== "string" && size <= 16_384) message.fill(0xee);
  }

  #stream(action: Action & { do: "stream" }): void {
    const { type, text, asBytes } = action;
    const bytes = utf8(text);
    this.meant.push(type === "text" ? text.toWellFormed() : bytes);
    const places = action.cuts.map((place) => Math.floor(place * text.length)).sort((a, b) =>
      a - b
    );
    const chunks = asBytes
      ? cutAt(bytes, action.cuts)
      : [...places, text.length].map((end, i) => text.slice(places[i - 1] ?? 0, end));
    const source = new Source();
    this.#sources.push({ source, chunks });
    this.sent.push(watch(this.#ends.conn.sendStream(type, source.stream)));
  }

  /** Gives a chunk to the first of the sources that is not finished, or its end. */
  #feed(): void {
    const [first] = this.#sources;
    if (first === undefined) return;
    const chunk = first.chunks.shift();
    if (chunk !== undefined) {
      first.source.push(chunk);
    } else {
      first.source.end();
      this.#sources.shift();
    }
  }
}

describe("for all interleavings of sending, feeding streams, stalling and taking", () => {
  it("every message arrives, once, whole and in the order of the calls", () =>
    fc.assert(
      fc.asyncProperty(limits, fc.array(action, { maxLength: 40 }), (limits, actions) =>
        withConnection({ limits }, async (ends) => {
          const program = new Program(ends);
          for (const action of actions) {
            await program.act(action);
          }
          program.finish();
          const { client, conn } = ends;
          for (const message of program.meant) {
            assertSame(await readMessage(ends), message);
          }
          for (const sent of program.sent) {
            assertEquals((await sent.untilSettled()).state, "resolved");
          }
          await eventually("an empty queue", () =>
            conn.bufferedAmount === 0);
          // What is left can only be Pings.
          while (client.unreadSize > 0) {
            await client.readPing();
          }
        })),
      { seed: 6455, numRuns: 150 },
    ));
});

/** Reads a message of one frame or more, and the Pings before and within it. */
async function readMessage({ client }: MemoryEnds): Promise<Message> {
  const payloads: Uint8Array[] = [];
  let isText = false;
  for (;;) {
    const { opcode, fin, payload } = await client.readFrame();
    if (opcode === 9) continue;
    assert(payloads.length === 0 ? opcode === 1 || opcode === 2 : opcode === 0, `opcode ${opcode}`);
    if (payloads.length === 0) isText = opcode === 1;
    payloads.push(payload);
    if (!fin) continue;
    const bytes = concatBytes(payloads);
    return isText ? decodeUtf8(bytes) : bytes;
  }
}

function assertSame(actual: Message, expected: Message): void {
  if (typeof actual === "string" || typeof expected === "string") {
    assert(actual === expected, `${show(actual)} instead of ${show(expected)}`);
  } else {
    const isSame = actual.length === expected.length &&
      actual.every((byte, i) => byte === expected[i]);
    assert(isSame, `${show(actual)} instead of ${show(expected)}`);
  }
}

function show(message: Message): string {
  if (typeof message === "string") return `${message.length} "${message.slice(0, 20)}"`;
  return `${message.length} [${message.subarray(0, 5)}]`;
}
