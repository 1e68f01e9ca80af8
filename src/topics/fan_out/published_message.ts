import { cloneBytes } from "../../codec/byte_collector.ts";
import { FrameEncoder } from "../../codec/frame_encoder.ts";
import { Opcode } from "../../codec/opcode.ts";
import type { Sendable } from "../../connection/connection.ts";
import type { Position } from "../../resume/position.ts";
import { ownString } from "../../own_string.ts";
import { encodePublished, escapeMessage } from "../../resume/subprotocol.ts";
import { textSize } from "../../text_size.ts";
import { MESSAGE_COST } from "./message_cost.ts";
import { PublishedFrames, SharedMemory, type SharedTally } from "./shared_memory.ts";
import type { Subscriber } from "./subscriber.ts";
import type { RecentFrames } from "../retention/recent_frames.ts";

const encoder = new TextEncoder();

/** How many bytes of a chunk's memory may be no part of it, such as the end of what was compressed. */
const MAX_UNUSED = 64;

/** Where a message that is kept stands in its topic. */
export interface Place {
  /** The topic's number, as resumable clients know it. */
  readonly topic: number;
  readonly position: Position;
}

/** Who is not to get a message: a connection, or a session where the message outlives it. */
export type Except = Subscriber | string | undefined;

/** A message that was published: encoded once for all who get it in the same form. */
export class PublishedMessage {
  /** What was published; replaced by a copy only where it is kept. */
  data: Sendable;
  readonly compress: boolean | undefined;
  #key: string;
  readonly #except: Except;
  readonly #audience: ReadonlySet<Subscriber> | undefined;
  /** Where it stands, where it is kept. */
  readonly #place: Place | undefined;
  /** The frames of it that there are, by their form. */
  #encoded: Map<number, PublishedFrames> | undefined;
  #size = -1;
  #isOwn = false;
  /** What was published, as memory; there once it is to be counted. */
  #memory: SharedMemory | undefined;
  /** For how many subscribers it waits. */
  #waiters = 0;
  /** The latest frames of the window of kept messages that it is in, which counts it. */
  #window: RecentFrames | undefined;

  /**
   * @param key What it is about: see {@linkcode PublishedMessage.slot}.
   * @param except Who is not to get it.
   * @param audience Who is to get it, where it is a notice of presence; by default all.
   */
  constructor(
    data: Sendable,
    compress: boolean | undefined,
    key: string,
    except: Except,
    audience?: ReadonlySet<Subscriber>,
    place?: Place,
  ) {
    // The caller may change them as soon as it is published.
    this.data = typeof data === "string" ? data : cloneBytes(data, 0, data.length);
    this.compress = compress;
    this.#key = key;
    this.#except = except;
    this.#audience = audience;
    this.#place = place;
  }

  /** Has strings of its own, where it is kept for some time: without what they may be slices of. */
  #own(): void {
    if (this.#isOwn) return;
    this.#isOwn = true;
    this.#key = ownString(this.#key);
    if (typeof this.data === "string") this.data = ownString(this.data);
  }

  /** Where it stands in its topic, where it is kept. */
  get position(): Position | undefined {
    return this.#place?.position;
  }

  /** Whether all subscribers get it. */
  get isForAll(): boolean {
    return this.#except === undefined && this.#audience === undefined;
  }

  /** What stands for it where only the latest one is kept: messages and notices with one key are apart. */
  get slot(): string {
    return (this.#audience === undefined ? "message " : "notice ") + this.#key;
  }

  /** Whether a subscriber gets it. */
  isFor(subscriber: Subscriber): boolean {
    if (this.#audience !== undefined && !this.#audience.has(subscriber)) return false;
    if (this.#except === undefined) return true;
    return typeof this.#except === "string"
      ? subscriber.session !== this.#except
      : subscriber !== this.#except;
  }

  /** Its size before compression, in bytes. */
  get size(): number {
    if (this.#size === -1) {
      this.#size = typeof this.data === "string"
        ? encoder.encode(this.data).length
        : this.data.length;
    }
    return this.#size;
  }

  /**
   * Notes that a window of kept messages has it, and counts it.
   *
   * @param recent Has its frames for as long as they are among the latest, while nobody waits for it.
   */
  enterWindow(recent: RecentFrames): void {
    this.#window = recent;
    this.#own();
    if (this.#memory !== undefined) this.#memory.isCountedElsewhere = true;
  }

  /** Notes that the window does not have it any more: it counts while anybody waits for it. */
  leaveWindow(): void {
    const recent = this.#window;
    this.#window = undefined;
    if (this.#memory !== undefined) this.#memory.isCountedElsewhere = false;
    if (recent === undefined || this.#isWaitedFor) return;
    for (const frames of this.#encoded?.values() ?? []) recent.delete(frames);
    this.#encoded = undefined;
  }

  /** Has it wait for a subscriber: its frames do, too, for all who wait for it. */
  hold(tally: SharedTally): void {
    this.#own();
    const memory = this.#memoryFor(tally);
    memory.hold();
    if (this.#waiters++ > 0) return;
    for (const frames of this.#encoded?.values() ?? []) {
      frames.hold();
      this.#window?.delete(frames);
    }
  }

  /** Has it wait for one less. */
  release(): void {
    this.#memory!.release();
    if (--this.#waiters > 0) return;
    for (const [form, frames] of this.#encoded ?? []) {
      frames.release();
      this.#keepRecent(form, frames);
    }
  }

  get #isWaitedFor(): boolean {
    return this.#waiters > 0;
  }

  #memoryFor(tally: SharedTally): SharedMemory {
    if (this.#memory === undefined) {
      const { data } = this;
      const size = typeof data === "string" ? textSize(data) : data.length;
      this.#memory = new SharedMemory(size + MESSAGE_COST, tally);
      this.#memory.isCountedElsewhere = this.#window !== undefined;
    }
    return this.#memory;
  }

  #keepRecent(form: number, frames: PublishedFrames): void {
    this.#window?.add(frames, () => {
      this.#encoded!.delete(form);
      if (this.#encoded!.size === 0) this.#encoded = undefined;
    });
  }

  /** Sends it. */
  sendTo(subscriber: Subscriber): void {
    const { form } = subscriber;
    if (form === undefined) subscriber.sendAlone(this.#dataFor(subscriber), this.compress);
    else subscriber.sendShared(this.encodeFor(subscriber, form), 1, false);
  }

  /** Gives its frame in the form that a subscriber gets, which has that form in common with others. */
  encodeFor(subscriber: Subscriber, form: number): PublishedFrames {
    const known = this.#encoded?.get(form);
    if (known !== undefined) return known;
    const data = this.#dataFor(subscriber);
    const deflated = subscriber.deflateShared(data, this.compress);
    const frames = this.#share(encode(data, deflated), subscriber.tally);
    (this.#encoded ??= new Map()).set(form, frames);
    if (this.#isWaitedFor) frames.hold();
    else this.#keepRecent(form, frames);
    return frames;
  }

  /** Has frames counted where they are held, but for those bytes that are the message itself. */
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
    if (this.#place === undefined) return escapeMessage(this.data);
    return encodePublished(this.#place.topic, this.#place.position, this.data);
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
  // What is in the memory of others too would keep that from being freed, while it waits for someone.
  return frames.take().map((chunk) =>
    chunk.buffer.byteLength - chunk.length > MAX_UNUSED ? cloneBytes(chunk, 0, chunk.length) : chunk
  );
}
