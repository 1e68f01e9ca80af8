/**
 * Everything that can end a connection, in every order: plays sequences of events on connections over
 * channels in memory, and tells in a line how each of them stands then.
 *
 * @module
 */

import type { Connection, ConnectionCallbacks } from "../../src/server/mod.ts";
import { MemoryChannel } from "../support/memory_channel.ts";
import { decodeReferenceFrame, encodeReferenceFrame } from "../support/reference_frames.ts";

export const CLOSE_TIMEOUT_MS = 5_000;

/** How a program receives, and on which side. */
export type Mode = "server" | "callbacks" | "client";

/** A clock that each connection has for itself: it fires at once what is due. */
export class OwnClock {
  #now = 1_000;
  #lastId = 0;
  readonly #timers = new Map<unknown, { callback: () => void; dueAt: number }>();

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    this.#timers.set(++this.#lastId, { callback, dueAt: this.#now + delayMs });
    return this.#lastId;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer);
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const [id, { callback, dueAt }] of [...this.#timers]) {
      if (dueAt <= this.#now && this.#timers.delete(id)) callback();
    }
  }

  get pendingCount(): number {
    return this.#timers.size;
  }
}

/** What a connection is opened with. */
export interface Opening {
  role: "server" | "client";
  channel: MemoryChannel;
  clock: OwnClock;
  callbacks: ConnectionCallbacks | undefined;
  handler: ((conn: Connection) => unknown) | undefined;
}

/** Opens a connection whose opening handshake is done. */
export type Open = (opening: Opening) => Connection;

/** One connection, and its peer. */
class Play {
  readonly channel = new MemoryChannel();
  readonly clock = new OwnClock();
  readonly conn: Connection;
  readonly #mode: Mode;
  readonly #handler = Promise.withResolvers<void>();
  #gate = Promise.withResolvers<void>();
  #source: ReadableStreamDefaultController<string> | undefined;
  #messages: AsyncIterator<unknown> | undefined;
  #received: Uint8Array[] = [];
  readonly #notes: string[] = [];
  #results = "";
  #hasEnded = false;
  #isOver = false;
  isClosed = false;

  constructor(mode: Mode, open: Open) {
    this.#mode = mode;
    this.channel.socket.handler = {
      receive: (bytes) => void this.#received.push(bytes),
      receiveEnd: () => void (this.#hasEnded = true),
      receiveClosed: () => void (this.#isOver = true),
    };
    const callbacks: ConnectionCallbacks = {
      message: (_conn, data) => {
        this.#notes.push(`got ${data}`);
        return this.#gate.promise;
      },
      close: () => void this.#notes.push("close"),
    };
    this.conn = open({
      role: mode === "client" ? "client" : "server",
      channel: this.channel,
      clock: this.clock,
      callbacks: mode === "callbacks" ? callbacks : undefined,
      handler: mode === "server" ? () => this.#handler.promise : undefined,
    });
    this.conn.signal.addEventListener("abort", () => {
      this.#notes.push(`signal ${(this.conn.signal.reason as { closeCode: number }).closeCode}`);
    });
    void this.conn.closed.then(({ closeCode, reason, wasClean, initiator }) => {
      this.isClosed = true;
      this.#notes.push(`closed ${closeCode} "${reason}" ${wasClean ? "clean " : ""}${initiator}`);
    });
  }

  /** Whether the event makes sense now. */
  can(event: string): boolean {
    const byPeer = "MCGP".includes(event);
    if (byPeer || event === "F") return !this.channel.socket.hasEnded;
    return true;
  }

  run(event: string): void {
    const { conn, channel: { socket } } = this;
    if (event === "M") this.#send(1, "m");
    else if (event === "C") this.#send(8, "\u000f\u00a0bye");
    else if (event === "G") this.#send(8, "\u0003\u00e9");
    else if (event === "P") this.#send(3, "");
    else if (event === "F") socket.end();
    else if (event === "R") socket.reset();
    else if (event === "B") socket.takesAtOnce === 0 ? socket.resume() : socket.pause();
    else if (event === "t") this.#take();
    else if (event === "s") this.#stream();
    else if (event === "e") this.#endStream();
    else if (event === "w") this.#track("send", conn.send("w"));
    else if (event === "x") void conn.close({ closeCode: 4000, reason: "x" });
    else if (event === "h") this.#handler.resolve();
    else if (event === "k") this.#handler.reject(new Error("failed"));
    else if (event === "a") conn.abort();
    else if (event === "d") this.clock.advance(CLOSE_TIMEOUT_MS);
  }

  #send(opcode: number, text: string): void {
    const maskingKey = this.#mode === "client" ? undefined : new Uint8Array(4);
    const payload = opcode === 8
      ? Uint8Array.from(text, (character) => character.charCodeAt(0))
      : new TextEncoder().encode(text);
    this.channel.socket.send(encodeReferenceFrame({ opcode, maskingKey, payload }));
  }

  #take(): void {
    if (this.#mode === "callbacks") {
      this.#gate.resolve();
      this.#gate = Promise.withResolvers();
    } else {
      this.#messages ??= this.conn[Symbol.asyncIterator]();
      this.#track("next", this.#messages.next().then(({ done, value }) => done ? "done" : value));
    }
  }

  #stream(): void {
    if (this.#source !== undefined) {
      this.#source.enqueue("s");
      return;
    }
    const stream = new ReadableStream<string>({
      start: (controller) => {
        this.#source = controller;
        controller.enqueue("s");
      },
      cancel: () => void (this.#source = undefined),
    });
    this.#track("stream", this.conn.sendStream("text", stream));
  }

  #endStream(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  #track(name: string, promise: Promise<unknown>): void {
    promise.then(
      (value) => this.#notes.push(`${name} ${value ?? "ok"}`),
      (error) => this.#notes.push(`${name} ${error.closeCode ?? error.name}`),
    );
  }

  /** How it stands. */
  describe(): string {
    const bytes = new Uint8Array(this.#received.flatMap((piece) => [...piece]));
    for (let position = 0; position < bytes.length;) {
      const found = decodeReferenceFrame(bytes, position);
      if (found === undefined) break;
      position = found.end;
      const { opcode, fin, payload } = found.frame;
      if (opcode === 8) {
        const code = payload.length < 2 ? "" : ` ${payload[0] * 256 + payload[1]}`;
        this.#results += `Close${code} `;
      } else {
        this.#results += `${new TextDecoder().decode(payload)}${fin ? "" : "..."} `;
      }
    }
    const tcp = this.#isOver ? "gone" : this.#hasEnded ? "FIN" : "open";
    const waiting = this.clock.pendingCount > 0 ? " timer" : "";
    return `${this.conn.state}${waiting} | ${this.#results}${tcp} | ${this.#notes.join(", ")}`;
  }
}

/** What is played: all sequences of these events, of these lengths. */
export const PLAYED: readonly { mode: Mode; events: string; lengths: readonly number[] }[] = [
  { mode: "server", events: "MCGPFRBtsewxhkad", lengths: [1, 2, 3] },
  { mode: "callbacks", events: "MCGPFRBtsewxad", lengths: [1, 2, 3] },
  { mode: "client", events: "MCGPFRBtsewxad", lengths: [1, 2, 3] },
  { mode: "server", events: "MCGFsexhd", lengths: [4] },
  { mode: "callbacks", events: "MCGPFtsexd", lengths: [4] },
  { mode: "client", events: "MCGFtsexd", lengths: [4] },
];

/** All sequences of `length` events. */
export function sequencesOf(events: string, length: number): string[] {
  if (length === 0) return [""];
  return sequencesOf(events, length - 1).flatMap((start) =>
    [...events].map((next) => start + next)
  );
}

/** Lets happen what follows, of all connections at once. */
async function settleAll(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Plays the sequences, side by side, and describes how each of them ends; `-` for one that can't be played. */
export async function playAll(mode: Mode, sequences: string[], open: Open): Promise<string[]> {
  const plays = sequences.map(() => new Play(mode, open));
  const results: string[] = sequences.map(() => "");
  for (let step = 0; step < (sequences[0]?.length ?? 0); step++) {
    for (const [i, play] of plays.entries()) {
      const event = sequences[i][step];
      if (results[i] !== "") continue;
      // What comes after the end changes nothing: the shorter sequence has been played.
      if (play.isClosed || !play.can(event)) results[i] = "-";
      else play.run(event);
    }
    await settleAll();
  }
  for (const [i, play] of plays.entries()) {
    if (results[i] === "") results[i] = play.describe();
    play.conn.abort();
  }
  await settleAll();
  return results;
}
