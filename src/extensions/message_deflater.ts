import { ByteCollector, cloneBytes } from "../codec/byte_collector.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { type DeflateStream, MAX_VIEW_LENGTH, streamOutput } from "./deflate_stream.ts";
import type { RememberedMessage } from "./remembered_message.ts";

/** The length of what a sync flush ends with, and the sender removes (RFC 7692, section 7.2.1). */
const TAIL_LENGTH = 4;

/** An empty block without its tail: a message without contents (section 7.2.3.6). */
const EMPTY_BLOCK = Uint8Array.of(0x00);

/** Up to this many UTF-16 units a text is encoded to memory that is used again. */
const MAX_SCRATCH_LENGTH = 16 * 1024;

/** Compresses the messages of one connection (RFC 7692, section 7.2.1). */
export class MessageDeflater {
  readonly #pool: DeflatePool;
  readonly #windowBits: number;
  readonly #keepsWindow: boolean;
  /** Cache of the last message compressed with this window, shared by connections; created lazily. */
  #lastMessage: RememberedMessage | undefined;
  /** With context takeover, set from the first message on; otherwise within a fragmented message. */
  #stream: DeflateStream | undefined;

  constructor(pool: DeflatePool, windowBits: number, keepsWindow: boolean) {
    this.#pool = pool;
    this.#windowBits = windowBits;
    this.#keepsWindow = keepsWindow;
  }

  /** The bytes that its stream takes, while it has one. */
  get heldLength(): number {
    return this.#stream === undefined ? 0 : this.#pool.deflaterSize(this.#windowBits);
  }

  /** Returns the payload of a frame. Up to 16 KiB, it must be used before anything else is compressed. */
  deflateMessage(data: string | Uint8Array): Uint8Array {
    if (this.#keepsWindow) return this.#deflateWhole(data);
    const last = this.#lastMessage ??= this.#pool.lastMessage(this.#windowBits);
    const before = last.recall(data);
    if (before !== undefined) return before;
    // This connection may be sending another message in fragments.
    const stream = this.#stream;
    this.#stream = undefined;
    const deflated = last.replace(data, this.#deflateWhole(data));
    this.#stream = stream;
    return deflated;
  }

  /** Compresses a fragment of a message, up to its last byte; see `deflateMessage`. */
  deflateFragment(payload: Uint8Array, fin: boolean): Uint8Array {
    const output = deflate(this.#acquireStream(), payload);
    return fin ? this.#finish(output) : output;
  }

  #deflateWhole(data: string | Uint8Array): Uint8Array {
    return typeof data === "string" && data.length > MAX_SCRATCH_LENGTH
      ? this.#finish(deflateLongText(this.#acquireStream(), data))
      : this.deflateFragment(toBytes(data), true);
  }

  #acquireStream(): DeflateStream {
    return this.#stream ??= this.#pool.deflaters.acquire(this.#windowBits);
  }

  #finish(output: Uint8Array): Uint8Array {
    if (!this.#keepsWindow) this.close();
    return output.length === 0 ? EMPTY_BLOCK : output.subarray(0, output.length - TAIL_LENGTH);
  }

  close(): void {
    if (this.#stream !== undefined) this.#pool.deflaters.release(this.#windowBits, this.#stream);
    this.#stream = undefined;
  }
}

/** Compresses, up to the end of a block. */
function deflate(stream: DeflateStream, input: Uint8Array): Uint8Array {
  const size = stream.step(input, 0, input.length);
  if (!stream.isOutputFull) {
    return size <= MAX_VIEW_LENGTH
      ? streamOutput.subarray(0, size)
      : cloneBytes(streamOutput, 0, size);
  }
  const collector = new ByteCollector(true);
  collector.append(streamOutput, 0, size, Infinity);
  collect(stream, input, stream.consumed, false, collector);
  return collector.take();
}

/** Compresses a text that is longer than the scratch, part by part. */
function deflateLongText(stream: DeflateStream, text: string): Uint8Array {
  const collector = new ByteCollector(true);
  for (let start = 0, end; start < text.length; start = end) {
    end = Math.min(start + MAX_SCRATCH_LENGTH, text.length);
    // Both halves of a surrogate pair are encoded together.
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
    collect(stream, toBytes(text.slice(start, end)), 0, end < text.length, collector);
  }
  return collector.take();
}

/** Compresses from `position` on, as long as there is anything. */
function collect(
  stream: DeflateStream,
  input: Uint8Array,
  position: number,
  isMoreToCome: boolean,
  collector: ByteCollector,
): void {
  do {
    const size = stream.step(input, position, input.length, isMoreToCome);
    position += stream.consumed;
    if (size > 0) collector.append(streamOutput, 0, size, Infinity);
  } while (stream.isOutputFull);
}

const encoder = new TextEncoder();
let scratch: Uint8Array | undefined;

/** Gives the bytes of a message, to be used before the next one's. A text is no longer than the scratch. */
function toBytes(data: string | Uint8Array): Uint8Array {
  if (typeof data !== "string") return data;
  // No character needs more than three octets a UTF-16 unit.
  scratch ??= new Uint8Array(MAX_SCRATCH_LENGTH * 3);
  return scratch.subarray(0, encoder.encodeInto(data, scratch).written);
}
