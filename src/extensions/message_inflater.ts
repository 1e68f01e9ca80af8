import { ByteCollector, cloneBytes, copyBytes } from "../codec/byte_collector.ts";
import { CloseCode } from "../codec/close_code.ts";
import { ProtocolError } from "../errors.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { type DeflateStream, streamOutput } from "./deflate_stream.ts";
import { inflaterSize } from "./stream_sizes.ts";

/** The bytes that senders remove from the end of a message (RFC 7692, section 7.2.2). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Up to this size a message is put before its tail, to be inflated in one go. */
const MAX_WHOLE_LENGTH = 8 * 1024;
const wholeInput = new Uint8Array(MAX_WHOLE_LENGTH + TAIL.length);

/**
 * A message may have this many blocks with BFINAL set, and one more for every `FINAL_BLOCK_SHARE` bytes:
 * each of them takes much longer than its few bytes would.
 */
const MAX_FINAL_BLOCKS = 1024;
const FINAL_BLOCK_SHARE = 64;

/** log2 of the largest window, with which anything can be inflated. */
const MAX_WINDOW_BITS = 15;

/** The most input of one `read`: it may inflate to nothing, and take a hundred times as long as plain bytes. */
const MAX_STEP_LENGTH = 16 * 1024;

const EMPTY = new Uint8Array(0);

/** Decompresses messages (RFC 7692, section 7.2.2) piece by piece: no more is inflated than a reader wants. */
export class MessageInflater {
  readonly #pool: DeflatePool;
  readonly #keepsWindow: boolean;
  readonly #windowBits: number;
  /** With context takeover, set from the first message on; otherwise within a message. */
  #stream: DeflateStream | undefined;
  /** Collects a message if streams can't go on in the middle of one. */
  readonly #pieces: ByteCollector | undefined;
  #input: Uint8Array = EMPTY;
  #position = 0;
  #end = 0;
  /** The tail's position in the input. */
  #tailStart = Infinity;
  /** Whether the message in progress has any payload. One without is not DEFLATE, and taken as empty. */
  #hasInput = false;
  /** The number of bytes of the message in progress that are inflated. */
  #consumed = 0;
  /** The number of bytes that the stream has given. */
  #produced = 0;
  /** The number of blocks with BFINAL set that were followed by more. */
  #finalBlocks = 0;

  /**
   * @param windowBits log2 of the window with context takeover: input that refers to more is corrupt. Without,
   * it is the largest, since all connections share their streams.
   */
  constructor(pool: DeflatePool, keepsWindow: boolean, windowBits: number = MAX_WINDOW_BITS) {
    this.#pool = pool;
    this.#keepsWindow = keepsWindow;
    this.#windowBits = keepsWindow ? windowBits : MAX_WINDOW_BITS;
    if (!pool.isContinuous) this.#pieces = new ByteCollector(true);
  }

  /** Whether there is more to read of the input so far. */
  get isPending(): boolean {
    return this.#position < this.#end || (this.#stream?.isOutputFull ?? false);
  }

  /** The memory that `read` puts its result into. */
  get output(): Uint8Array {
    return streamOutput;
  }

  /** The number of bytes of input that are not inflated yet. */
  get pendingLength(): number {
    return this.#end - this.#position;
  }

  /** The bytes that its stream takes, while it has one, and the input that waits for it. */
  get heldLength(): number {
    const input = this.pendingLength + (this.#pieces?.capacity ?? 0);
    return this.#stream === undefined
      ? input
      : input + inflaterSize(this.#windowBits, this.#produced) + this.#stream.heldLength;
  }

  /** Takes a piece of a message. All before it must have been read. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    if (this.#pieces === undefined) this.#feed(bytes, start, end, Infinity);
    else this.#pieces.append(bytes, start, end, Infinity);
  }

  feedTail(): void {
    const pieces = this.#pieces;
    if (pieces === undefined) {
      if (this.#hasInput) this.#feed(TAIL, 0, TAIL.length, 0);
    } else if (pieces.length > 0) {
      const tailStart = pieces.length;
      pieces.append(TAIL, 0, TAIL.length, tailStart + TAIL.length);
      this.#feed(pieces.take(), 0, tailStart + TAIL.length, tailStart);
    }
  }

  /** @returns `false` if it is too large for that, and nothing was taken. */
  feedWhole(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length > MAX_WHOLE_LENGTH) return false;
    if (length === 0) return true;
    copyBytes(bytes, start, end, wholeInput, 0);
    copyBytes(TAIL, 0, TAIL.length, wholeInput, length);
    this.#feed(wholeInput, 0, length + TAIL.length, length);
    return true;
  }

  /**
   * Inflates the next piece, into `output`: at most 64 KiB, of at most 16 KiB of input unless the message
   * had to be collected.
   *
   * @param maxLength The message may be this much longer.
   * @returns Its length: 0 if that input inflates to nothing.
   * @throws {ProtocolError} With 1007 if the input is corrupt; with 1008 if it is made of final blocks; with
   * 1009 if it had to be collected, and becomes longer than `maxLength`.
   */
  read(maxLength: number): number {
    const stream = this.#stream ??= this.#pool.inflaters.acquire(this.#windowBits);
    const stepEnd = this.#pieces === undefined
      ? Math.min(this.#end, this.#position + MAX_STEP_LENGTH)
      : this.#end;
    let size;
    try {
      size = stream.step(this.#input, this.#position, stepEnd, false, maxLength);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      const message = `Cannot receive a compressed message: ${(error as Error).message}`;
      throw new ProtocolError(CloseCode.InvalidFramePayloadData, message);
    }
    this.#position += stream.consumed;
    this.#consumed += stream.consumed;
    this.#produced += size;
    if (this.#position < stepEnd && !stream.isOutputFull) this.#beginAnew(stream);
    if (this.#position === this.#end) this.#releaseInput();
    return size;
  }

  /** Copies the input that was not read, whose memory is about to be used again. */
  keep(): void {
    if (this.#input === TAIL) return;
    this.#input = cloneBytes(this.#input, this.#position, this.#end);
    this.#tailStart -= this.#position;
    this.#end -= this.#position;
    this.#position = 0;
  }

  finish(): void {
    this.#hasInput = false;
    this.#consumed = this.#finalBlocks = 0;
    if (!this.#keepsWindow) this.close();
  }

  close(): void {
    this.#releaseInput();
    this.#pieces?.borrow();
    if (this.#stream !== undefined) this.#pool.inflaters.release(this.#windowBits, this.#stream);
    this.#stream = undefined;
    this.#produced = 0;
  }

  /** Releases input that was read, which may be a view of much more memory. */
  #releaseInput(): void {
    this.#position = this.#end = 0;
    this.#input = EMPTY;
  }

  #feed(bytes: Uint8Array, start: number, end: number, tailStart: number): void {
    this.#input = bytes;
    this.#position = start;
    this.#end = end;
    this.#tailStart = tailStart;
    this.#hasInput = true;
  }

  /** Goes on after a block with BFINAL set (section 7.2.3.4), which ended the stream for zlib. */
  #beginAnew(stream: DeflateStream): void {
    if (++this.#finalBlocks > MAX_FINAL_BLOCKS + this.#consumed / FINAL_BLOCK_SHARE) {
      const message = "Cannot receive a compressed message of so many final blocks";
      throw new ProtocolError(CloseCode.PolicyViolation, message);
    }
    stream.reset();
    // Some senders leave out the empty block that should follow: the tail is not part of anything then.
    if (this.#position >= this.#tailStart) this.#position = this.#end;
  }
}
