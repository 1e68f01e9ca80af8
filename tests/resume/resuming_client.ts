/**
 * Clients of `sluice.resume.v1`, written by hand: raw bytes, and the headers taken off as
 * `docs/resume.md` says. They share no code with `src/`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { ServerConnection } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import type { RawClient } from "../support/raw_client.ts";
import type { RequestInit } from "../support/requests.ts";
import type { MemoryHarness } from "../support/transports.ts";

export const RESUME = "sluice.resume.v1";
/** The request of a client that resumes. */
export const OFFER: RequestInit = { headers: { "Sec-WebSocket-Protocol": RESUME } };

/** A note of the server. */
export interface Note {
  session?: string;
  protocol?: string;
  topic?: string;
  number?: number;
  position?: string;
  isLost?: boolean;
  unsubscribed?: number;
  progress?: string;
}

/** What a message of the server turned out to be. */
export type Taken =
  | { note: Note }
  | { data: string | Uint8Array; topic?: string; position?: string };

/** A client that knows who it is and how far it got, over connections that follow one another. */
export class ResumingClient {
  session: string | undefined;
  positions: Record<string, string> = Object.create(null);
  /** The topics of which it was told that it does not get all. */
  readonly lost: string[] = [];
  raw!: RawClient<MemorySocket>;
  conn!: ServerConnection;
  readonly #harness: MemoryHarness<unknown>;
  readonly #init: RequestInit;
  #topics = new Map<number, string>();

  constructor(harness: MemoryHarness<unknown>, init: RequestInit = OFFER) {
    this.#harness = harness;
    this.#init = init;
  }

  /** Connects, and sends nothing. */
  async open(): Promise<void> {
    const { client, conn } = await this.#harness.openPair(this.#init);
    this.raw = client;
    this.conn = conn;
    this.#topics = new Map();
  }

  /** Connects, says who it is, and has the answer. */
  async begin(): Promise<this> {
    await this.open();
    this.sendHello();
    const { session, protocol } = await this.note();
    assert(session !== undefined && protocol !== undefined);
    if (this.session !== undefined) assertEquals(session, this.session);
    this.session = session;
    return this;
  }

  sendHello(): void {
    this.raw.sendText(JSON.stringify({ session: this.session, positions: this.positions }));
  }

  /** Loses the connection. */
  reset(): void {
    this.raw.socket.reset();
  }

  /** Takes a message, of whatever kind. */
  async take(): Promise<Taken> {
    const message = await this.raw.readMessage();
    const [header, data] = split(message);
    if (header === undefined || header === "") return { data };
    if (header.startsWith("{")) {
      assert(typeof message === "string" && !message.includes("\n"), "a note is text without LF");
      const note: Note = JSON.parse(header);
      this.#takeNote(note);
      return { note };
    }
    const [number, position, ...more] = header.split(" ");
    const topic = this.#topics.get(Number(number));
    assert(topic !== undefined && position.length <= 64 && more.length === 0, header);
    this.positions[topic] = position;
    return { data, topic, position };
  }

  /** Takes a note. */
  async note(): Promise<Note> {
    const taken = await this.take();
    assert("note" in taken, JSON.stringify(taken));
    return taken.note;
  }

  /** Takes a message of the program. */
  async data(): Promise<string | Uint8Array> {
    const taken = await this.take();
    assert("data" in taken, JSON.stringify(taken));
    return taken.data;
  }

  /** Takes so many messages of the program, texts. */
  async texts(count: number): Promise<string[]> {
    const texts: string[] = [];
    while (texts.length < count) texts.push(await this.data() as string);
    return texts;
  }

  #takeNote({ topic, number, position, isLost, unsubscribed }: Note): void {
    if (isLost === true) this.lost.push(topic!);
    if (topic !== undefined) {
      this.#topics.set(number!, topic);
      if (position !== undefined) this.positions[topic] = position;
    }
    if (unsubscribed !== undefined) {
      delete this.positions[this.#topics.get(unsubscribed)!];
      this.#topics.delete(unsubscribed);
    }
  }
}

/** Parts a message into its header, where it has one, and the rest. */
export function split(
  message: string | Uint8Array,
): [header: string | undefined, rest: string | Uint8Array] {
  if (typeof message === "string") {
    if (!message.startsWith("\x1e")) return [undefined, message];
    const end = message.indexOf("\n");
    return end === -1 ? [message.slice(1), ""] : [message.slice(1, end), message.slice(end + 1)];
  }
  if (message[0] !== 0x1e) return [undefined, message];
  const end = message.indexOf(0x0a);
  assert(end !== -1, "notes are text");
  return [String.fromCharCode(...message.subarray(1, end)), message.slice(end + 1)];
}
