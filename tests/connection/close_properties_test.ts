import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { CloseInfo, Message, ServerConnection } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import { decodeUtf8, type RawClient, utf8 } from "../support/raw_client.ts";
import { concatBytes, decodeReferenceFrame } from "../support/reference_frames.ts";
import { type MemoryHarness, withConnection } from "../support/transports.ts";
import { settle, turn } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";
import { Source } from "./source.ts";

/** What the program does, at any time and in `drain`. */
type Act = "send" | "trySend" | "stream" | "feed" | "break" | "close" | "abort";
/** What else happens. */
type Event =
  | "pause"
  | "resume"
  | "takeSlowly"
  | "turn"
  | "advance"
  | "publish"
  | "shutdown"
  | "sendClose";

// Around the size at which output is written at once.
const sizes = fc.oneof(fc.nat(300), fc.constantFrom(3_000, 65_536, 70_000));
const messages = fc.constantFrom<Act>("send", "trySend", "stream");
const acts = fc.record({
  do: fc.oneof(
    { weight: 8, arbitrary: messages },
    { weight: 4, arbitrary: fc.constant<Act>("feed") },
    { weight: 1, arbitrary: fc.constantFrom<Act>("break", "close", "abort") },
  ),
  size: sizes,
});
const events = fc.record({
  do: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Event>("turn") },
    { weight: 4, arbitrary: fc.constantFrom<Event>("pause", "resume", "takeSlowly", "publish") },
    { weight: 1, arbitrary: fc.constantFrom<Event>("advance", "shutdown", "sendClose") },
  ),
  size: sizes,
});
const runs = fc.record({
  sendHighWaterMark: fc.constantFrom(1, 100, 65_536, Infinity),
  steps: fc.array(fc.oneof(acts, acts, events), { maxLength: 40 }),
  drains: fc.array(fc.array(acts, { maxLength: 3 }), { maxLength: 4 }),
  /** Whether streams that are under way come to their end. */
  ends: fc.boolean(),
  /** Whether the client reads on at last. */
  reads: fc.boolean(),
});

/** What was accepted, in the order of the calls. */
interface Accepted {
  text: string;
  /** The promise, where there is one. */
  sent: Watched<void> | undefined;
  /** Whether its source broke. */
  isBroken: boolean;
}

const CLOSE_TIMEOUT_MS = 5_000;

class Program {
  readonly accepted: Accepted[] = [];
  readonly closed: Watched<CloseInfo>;
  readonly #conn: ServerConnection;
  readonly #harness: MemoryHarness<unknown>;
  readonly #client: RawClient<MemorySocket>;
  /** The sources that are not at their end, and what each has still to give. */
  #sources: { source: Source<Message>; rest: string; accepted: Accepted }[] = [];
  #count = 0;

  constructor(
    conn: ServerConnection,
    harness: MemoryHarness<unknown>,
    client: RawClient<MemorySocket>,
  ) {
    this.#conn = conn;
    this.#harness = harness;
    this.#client = client;
    this.closed = watch(conn.closed);
  }

  act({ do: act, size }: { do: Act; size: number }): void {
    if (act === "send") {
      const text = this.#create(size);
      const message = size % 2 === 0 ? text : utf8(text);
      const { sent } = this.#accept(text, (accepted) => {
        accepted.sent = watch(this.#conn.send(message));
      });
      // From then on the bytes are free to be used again.
      if (typeof message !== "string") sent!.promise.then(() => message.fill(0xee), () => {});
    } else if (act === "trySend") {
      const text = this.#create(size);
      const accepted = this.#accept(text, () => {});
      const result = this.#conn.trySend(text);
      if (result === "closed") this.accepted.splice(this.accepted.indexOf(accepted), 1);
    } else if (act === "stream") {
      this.#stream(size);
    } else if (act === "feed" || act === "break") {
      const next = this.#sources.shift();
      if (next === undefined || next.source.cancelled !== undefined) return;
      next.accepted.isBroken = act === "break";
      if (act === "break") next.source.fail(new Error("broken"));
      else next.source.push(next.rest).end();
    } else if (act === "close") {
      void this.#conn.close({ closeCode: 4000 });
    } else {
      this.#conn.abort();
    }
  }

  async step({ do: step, size }: { do: Act | Event; size: number }): Promise<void> {
    const { socket } = this.#client;
    if (step === "pause") socket.pause();
    else if (step === "resume") socket.resume();
    else if (step === "turn") await turn();
    else if (step === "takeSlowly") socket.takeSlowly(size + 1);
    else if (step === "advance") await this.#harness.clock.advance(size % 2_000);
    else if (step === "shutdown") void this.#harness.server.shutdown();
    else if (step === "sendClose") this.sendClose();
    else if (step === "publish") this.#publish(size);
    else this.act({ do: step, size });
  }

  /** Has the client send its Close frame, if it has not. */
  sendClose(): void {
    if (this.#hasSentClose || this.#client.hasSentEnd) return;
    this.#hasSentClose = true;
    this.#client.sendClose(4321);
  }

  #hasSentClose = false;

  endStreams(): void {
    while (this.#sources.length > 0) this.act({ do: "feed", size: 0 });
  }

  #create(size: number): string {
    return `${this.#count++}:`.padEnd(size, "m");
  }

  /** Notes a message before it is sent, as `drain` may run within. */
  #accept(text: string, send: (accepted: Accepted) => void): Accepted {
    const accepted: Accepted = { text, sent: undefined, isBroken: false };
    this.accepted.push(accepted);
    send(accepted);
    return accepted;
  }

  #publish(size: number): void {
    if (this.#conn.state !== "open") return;
    const text = this.#create(size);
    this.#accept(text, () => this.#harness.server.publish("x", text));
  }

  #stream(size: number): void {
    const text = this.#create(size);
    const half = text.length >> 1;
    const source = new Source<Message>(text.slice(0, half));
    const accepted = this.#accept(text, (accepted) => {
      accepted.sent = watch(this.#conn.sendStream("text", source.stream));
    });
    this.#sources.push({ source, rest: text.slice(half), accepted });
  }
}

/** What arrived: whole messages, and whether a Close frame did. */
function parse(bytes: Uint8Array): { messages: string[]; hasClose: boolean } {
  const messages: string[] = [];
  let payloads: Uint8Array[] | undefined;
  let hasClose = false;
  let position = 0;
  for (;;) {
    const found = decodeReferenceFrame(bytes, position);
    if (found === undefined) return { messages, hasClose };
    position = found.end;
    const { opcode, fin, payload } = found.frame;
    assert(!hasClose, "a frame behind the Close frame");
    hasClose = opcode === 8;
    if (opcode >= 8) continue;
    assertEquals(opcode === 0, payloads !== undefined, "two messages are mixed");
    (payloads ??= []).push(payload);
    if (!fin) continue;
    messages.push(decodeUtf8(concatBytes(payloads)));
    payloads = undefined;
  }
}

/** Cuts the filling off. */
const show = (text: string) => text.slice(0, text.indexOf(":") + 1);

describe("for all that is accepted, whatever `drain` does, and however the connection ends", () => {
  it("it arrives in order, or the end is not clean; and nobody waits for ever", () =>
    fc.assert(
      fc.asyncProperty(runs, ({ sendHighWaterMark, steps, drains, ends, reads }) => {
        let program: Program | undefined;
        let closes = 0;
        const inDrain = [...drains];
        return withConnection({
          closeTimeoutMs: CLOSE_TIMEOUT_MS,
          keepAlive: false,
          limits: { sendHighWaterMark, sendQueueSize: Infinity },
          drain: () => inDrain.shift()?.forEach((act) => program?.act(act)),
          close: () => void closes++,
        }, async ({ server, client, conn, clock }) => {
          conn.subscribe("x");
          program = new Program(conn, server, client);
          for (const step of steps) await program.step(step);
          await settle();
          if (ends) program.endStreams();
          if (reads) client.socket.resume();
          else client.socket.pause();
          await settle();
          if (ends) program.endStreams();
          void conn.close();
          program.sendClose();
          await settle();
          for (let i = 0; i < 4 && program.closed.state === "pending"; i++) {
            await clock.advance(CLOSE_TIMEOUT_MS);
            if (client.hasEnded && !client.hasSentEnd) client.socket.end();
          }
          await settle();
          assertEquals([program.closed.state, closes, conn.bufferedAmount], ["resolved", 1, 0]);
          const arrived = parse(await client.readBytes(client.unreadSize));
          check(program, arrived);
          const isClean = program.closed.value!.wasClean;
          if (isClean && reads) assert(arrived.hasClose, "clean without a Close frame");
        });
      }),
      { seed: 6455, numRuns: 150 },
    ));
});

function check(program: Program, { messages }: ReturnType<typeof parse>): void {
  const { accepted, closed: { value: info } } = program;
  const texts = new Set(messages);
  const arrived = accepted.filter(({ text }) => texts.has(text));
  assertEquals(messages.map(show), arrived.map(({ text }) => show(text)), "not in order");
  for (const { text, sent, isBroken } of accepted) {
    assert(sent?.state !== "pending", `${show(text)} waits for ever`);
    if (!info!.wasClean || isBroken) continue;
    if (sent?.state !== "rejected") assert(texts.has(text), `clean without ${show(text)}`);
    else assert(!texts.has(text), `clean, and ${show(text)} arrived, yet it rejected`);
  }
}
