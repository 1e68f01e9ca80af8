import { cloneBytes } from "../codec/byte_collector.ts";
import { FrameEncoder } from "../codec/frame_encoder.ts";
import { Opcode } from "../codec/opcode.ts";
import type { Sendable } from "../connection/connection.ts";
import type { SharedFrames, Subscriber } from "../connection/subscriber.ts";
import type { Position } from "../resume/position.ts";
import { ownString } from "../own_string.ts";
import { encodePublished, escapeMessage } from "../resume/subprotocol.ts";

const encoder = new TextEncoder();

/** Where a message that is kept stands in its topic. */
export interface Place {
  /** The topic's number, as resumable clients know it. */
  readonly topic: number;
  readonly position: Position;
}

/** Who is not to get a message: a connection, or a session where the message outlives it. */
export type Except = Subscriber | string | undefined;

/**
 * Gives what tells the form of messages that a subscriber gets from other forms: all with the same number
 * get the same bytes. There is none where it gets bytes of its own.
 */
export function formOf(subscriber: Subscriber): number | undefined {
  const { sharedWindowBits, isResumable } = subscriber;
  return sharedWindowBits === undefined ? undefined : sharedWindowBits * 2 + (isResumable ? 1 : 0);
}

/** Holds messages that wait for a subscriber that missed them. */
export interface MessageHolder {
  /** Counts so many bytes more: nobody else that holds the message does any longer. */
  bear(size: number): void;
}

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
  readonly #encoded: Map<number, SharedFrames> = new Map();
  #size = -1;
  #isKept = false;
  /** Whether it is in a window of messages that are kept, which counts it. */
  #isInWindow = false;
  /** Who else holds it. The first of them counts it, where no window does. */
  #holders: Set<MessageHolder> | undefined;

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

  /** Has it kept for some time: without what its strings may be slices of. */
  keep(): void {
    if (this.#isKept) return;
    this.#isKept = true;
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

  /** Notes that a window of kept messages has it, and counts it. */
  enterWindow(): void {
    this.#isInWindow = true;
    this.keep();
  }

  /** Notes that the window does not have it any more: who holds it counts it from now on. */
  leaveWindow(): void {
    this.#isInWindow = false;
    const [first] = this.#holders ?? [];
    if (first === undefined) return;
    // What was encoded for those who had it at once is not counted.
    this.#encoded.clear();
    first.bear(this.size);
  }

  /** Has it held for a subscriber; gives how many bytes count for that one. */
  hold(holder: MessageHolder): number {
    const holders = this.#holders ??= new Set();
    holders.add(holder);
    return this.#isInWindow || holders.size > 1 ? 0 : this.size;
  }

  /** Has it held no longer; gives how many bytes counted for that one: they count for the next one. */
  release(holder: MessageHolder): number {
    const holders = this.#holders!;
    const [first] = holders;
    holders.delete(holder);
    if (this.#isInWindow || first !== holder) return 0;
    const [next] = holders;
    next?.bear(this.size);
    return this.size;
  }

  /** Sends it. */
  sendTo(subscriber: Subscriber): void {
    const form = formOf(subscriber);
    if (form === undefined) subscriber.sendAlone(this.#dataFor(subscriber), this.compress);
    else subscriber.sendShared(this.encodeFor(subscriber, form), 1, false);
  }

  /** Gives its frame in the form that a subscriber gets, which has that form in common with others. */
  encodeFor(subscriber: Subscriber, form: number): SharedFrames {
    let encoded = this.#encoded.get(form);
    if (encoded === undefined) {
      const data = this.#dataFor(subscriber);
      const deflated = subscriber.sharedWindowBits === 0
        ? undefined
        : subscriber.deflateShared(data, this.compress);
      encoded = encode(data, deflated);
      this.#encoded.set(form, encoded);
    }
    return encoded;
  }

  #dataFor(subscriber: Subscriber): Sendable {
    if (!subscriber.isResumable) return this.data;
    if (this.#place === undefined) return escapeMessage(this.data);
    return encodePublished(this.#place.topic, this.#place.position, this.data);
  }
}

function encode(data: Sendable, deflated: Uint8Array | undefined): SharedFrames {
  const frames = new FrameEncoder("server");
  if (deflated !== undefined) {
    const opcode = typeof data === "string" ? Opcode.Text : Opcode.Binary;
    frames.encode(true, true, opcode, deflated);
  } else if (typeof data === "string") {
    frames.encodeText(data);
  } else {
    frames.encode(true, false, Opcode.Binary, data);
  }
  const length = frames.byteLength;
  const chunks = frames.take();
  // A short one would keep the memory of many others from being freed, while it waits for someone.
  return { chunks: chunks.length === 1 ? [cloneBytes(chunks[0]!, 0, length)] : chunks, length };
}
