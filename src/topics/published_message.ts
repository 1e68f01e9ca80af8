import { cloneBytes } from "../codec/byte_collector.ts";
import { FrameEncoder } from "../codec/frame_encoder.ts";
import { Opcode } from "../codec/opcode.ts";
import type { Message } from "../connection/connection.ts";
import type { SharedFrames, Subscriber } from "../connection/subscriber.ts";

const encoder = new TextEncoder();

/** A message without compression, in `sharedWindowBits`. */
export const PLAIN = 0;

/** A message that was published: encoded once for all who get it in the same form. */
export class PublishedMessage {
  readonly data: Message;
  readonly compress: boolean | undefined;
  /** What stands for it where only the latest one is kept. */
  readonly key: string;
  readonly #except: Subscriber | undefined;
  readonly #audience: ReadonlySet<Subscriber> | undefined;
  readonly #encoded: Map<number, SharedFrames> = new Map();
  #size = -1;

  /**
   * @param except Who is not to get it.
   * @param audience Who is to get it; by default all.
   */
  constructor(
    data: Message,
    compress: boolean | undefined,
    key: string,
    except: Subscriber | undefined,
    audience?: ReadonlySet<Subscriber>,
  ) {
    // The caller may change them as soon as it is published.
    this.data = typeof data === "string" ? data : cloneBytes(data, 0, data.length);
    this.compress = compress;
    this.key = key;
    this.#except = except;
    this.#audience = audience;
  }

  /** Whether all subscribers get it. */
  get isForAll(): boolean {
    return this.#except === undefined && this.#audience === undefined;
  }

  /** Whether a subscriber gets it. */
  isFor(subscriber: Subscriber): boolean {
    return this.#except !== subscriber && (this.#audience?.has(subscriber) ?? true);
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

  /** Gives its frame in the form that a subscriber gets, which has a form in common with others. */
  encodeFor(subscriber: Subscriber): SharedFrames {
    const windowBits = subscriber.sharedWindowBits ?? PLAIN;
    let encoded = this.#encoded.get(windowBits);
    if (encoded === undefined) {
      encoded = this.#encode(
        windowBits === PLAIN ? undefined : subscriber.deflateShared(this.data, this.compress),
      );
      this.#encoded.set(windowBits, encoded);
    }
    return encoded;
  }

  #encode(deflated: Uint8Array | undefined): SharedFrames {
    const { data } = this;
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
    return { chunks: chunks.length === 1 ? [cloneBytes(chunks[0], 0, length)] : chunks, length };
  }
}
