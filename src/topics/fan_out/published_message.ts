import { cloneBytes } from "../../codec/byte_collector.ts";
import { FrameEncoder } from "../../codec/frame_encoder.ts";
import { Opcode } from "../../codec/opcode.ts";
import type { Sendable } from "../../connection/connection.ts";
import type { Position } from "../../resume/position.ts";
import { ownString } from "../../own_string.ts";
import { encodePublished, escapeMessage } from "../../resume/subprotocol.ts";
import { textSize } from "../../text_size.ts";
import type { Except, PublishedContent } from "./publication.ts";
import { MESSAGE_COST } from "./message_cost.ts";
import { PublishedFrames, SharedMemory, type SharedTally } from "./shared_memory.ts";
import type { Subscriber } from "./subscriber.ts";
import type { RecentFrames } from "../retention/recent_frames.ts";

const encoder = new TextEncoder();

/** How many unused bytes a chunk's memory may have; past that, the chunk is copied. */
const MAX_UNUSED = 64;

/** The position of a retained message, and the number by which clients that resume know its topic. */
export interface TopicPosition {
  readonly topic: number;
  readonly position: Position;
}

/** A published message, encoded once for all subscribers that get it in the same form. */
export class PublishedMessage {
  /** The content; replaced by a copy if it is held for longer. */
  data: Sendable;
  readonly compress: boolean | undefined;
  #key: string;
  readonly #except: Except;
  readonly #audience: ReadonlySet<Subscriber> | undefined;
  readonly #retained: TopicPosition | undefined;
  #encoded: Map<number, PublishedFrames> | undefined;
  #size = -1;
  #isOwn = false;
  /** The memory of the content, once it is counted. */
  #memory: SharedMemory | undefined;
  /** The number of slow subscribers for which it waits. */
  #waiters = 0;
  /** If it is retained, the cache of frames that its frames may be in. */
  #window: RecentFrames | undefined;

  constructor(
    { data, compress, key = "", except, audience }: PublishedContent,
    retained?: TopicPosition,
  ) {
    // The caller may change the bytes as soon as they are published.
    this.data = typeof data === "string" ? data : cloneBytes(data, 0, data.length);
    this.compress = compress;
    this.#key = key;
    this.#except = except;
    this.#audience = audience;
    this.#retained = retained;
  }

  /** Copies its strings, since it is held for longer: they may be slices of larger ones. */
  #own(): void {
    if (this.#isOwn) return;
    this.#isOwn = true;
    this.#key = ownString(this.#key);
    if (typeof this.data === "string") this.data = ownString(this.data);
  }

  get position(): Position | undefined {
    return this.#retained?.position;
  }

  get isForAll(): boolean {
    return this.#except === undefined && this.#audience === undefined;
  }

  /** Its key for `lag: "latest"`: messages and notices of presence are apart. */
  get slot(): string {
    return (this.#audience === undefined ? "message " : "notice ") + this.#key;
  }

  isFor(subscriber: Subscriber): boolean {
    if (this.#audience !== undefined && !this.#audience.has(subscriber)) return false;
    if (this.#except === undefined) return true;
    return typeof this.#except === "string"
      ? subscriber.session !== this.#except
      : subscriber !== this.#except;
  }

  /** Its size before compression, in bytes. */
  get size(): number {
    if (this.#size >= 0) return this.#size;
    const { data } = this;
    return this.#size = typeof data === "string" ? encoder.encode(data).length : data.length;
  }

  /** Called when it is retained. `recent` caches its frames while it waits for no subscriber. */
  enterWindow(recent: RecentFrames): void {
    this.#window = recent;
    this.#own();
    if (this.#memory !== undefined) this.#memory.isCountedElsewhere = true;
  }

  /** Called when it is no longer retained: its memory is counted while it waits for a subscriber. */
  leaveWindow(): void {
    const recent = this.#window;
    this.#window = undefined;
    if (this.#memory !== undefined) this.#memory.isCountedElsewhere = false;
    if (recent === undefined || this.#waiters > 0) return;
    for (const frames of this.#encoded?.values() ?? []) recent.delete(frames);
    this.#encoded = undefined;
  }

  /** Adds a subscriber that it waits for. */
  hold(tally: SharedTally): void {
    this.#own();
    this.#memoryFor(tally).hold();
    if (this.#waiters++ > 0) return;
    for (const frames of this.#encoded?.values() ?? []) {
      frames.hold();
      this.#window?.delete(frames);
    }
  }

  /** Removes a subscriber that it waits for. */
  release(): void {
    this.#memory!.release();
    if (--this.#waiters > 0) return;
    for (const [form, frames] of this.#encoded ?? []) {
      frames.release();
      this.#addRecent(form, frames);
    }
  }

  #memoryFor(tally: SharedTally): SharedMemory {
    if (this.#memory !== undefined) return this.#memory;
    const { data } = this;
    const size = typeof data === "string" ? textSize(data) : data.length;
    this.#memory = new SharedMemory(size + MESSAGE_COST, tally);
    this.#memory.isCountedElsewhere = this.#window !== undefined;
    return this.#memory;
  }

  #addRecent(form: number, frames: PublishedFrames): void {
    this.#window?.add(frames, () => {
      this.#encoded!.delete(form);
      if (this.#encoded!.size === 0) this.#encoded = undefined;
    });
  }

  sendTo(subscriber: Subscriber): void {
    const { form } = subscriber;
    if (form === undefined) subscriber.sendAlone(this.#dataFor(subscriber), this.compress);
    else subscriber.sendShared(this.encodeFor(subscriber, form), 1, false);
  }

  /** Returns its frames, in the form that a subscriber shares with others. */
  encodeFor(subscriber: Subscriber, form: number): PublishedFrames {
    const known = this.#encoded?.get(form);
    if (known !== undefined) return known;
    const data = this.#dataFor(subscriber);
    const deflated = subscriber.deflateShared(data, this.compress);
    const frames = this.#share(encode(data, deflated), subscriber.fanOut.tally);
    (this.#encoded ??= new Map()).set(form, frames);
    if (this.#waiters > 0) frames.hold();
    else this.#addRecent(form, frames);
    return frames;
  }

  /** Creates the frames of chunks. Chunks that are views of the content share its memory. */
  #share(chunks: readonly Uint8Array[], tally: SharedTally): PublishedFrames {
    const { data } = this;
    let length = 0;
    let ownLength = 0;
    for (const chunk of chunks) {
      length += chunk.length;
      if (typeof data === "string" || chunk.buffer !== data.buffer) ownLength += chunk.length;
    }
    const parts = ownLength < length ? [this.#memoryFor(tally)] : undefined;
    return new PublishedFrames(chunks, length, ownLength, tally, parts);
  }

  #dataFor(subscriber: Subscriber): Sendable {
    if (!subscriber.isResumable) return this.data;
    if (this.#retained === undefined) return escapeMessage(this.data);
    return encodePublished(this.#retained.topic, this.#retained.position, this.data);
  }
}

function encode(data: Sendable, deflated: Uint8Array | undefined): Uint8Array[] {
  const frames = new FrameEncoder("server");
  if (deflated !== undefined) {
    const opcode = typeof data === "string" ? Opcode.Text : Opcode.Binary;
    frames.encode(true, true, opcode, deflated);
  } else if (typeof data === "string") {
    frames.encodeText(data);
  } else {
    frames.encode(true, false, Opcode.Binary, data);
  }
  // A view would keep all of its memory alive while the frame waits for a slow subscriber.
  return frames.take().map((chunk) =>
    chunk.buffer.byteLength - chunk.length > MAX_UNUSED ? cloneBytes(chunk, 0, chunk.length) : chunk
  );
}
