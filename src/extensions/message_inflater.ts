import { cloneBytes, copyBytes } from "../codec/byte_collector.ts";
import { CloseCode } from "../codec/close_code.ts";
import { ProtocolError } from "../errors.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { DeflateStream, inflaterSize } from "./zlib.ts";

/** What the sender removed from the end of a message (RFC 7692, section 7.2.2). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Up to this size a message is put before its tail, to be inflated in one go. */
const MAX_WHOLE_LENGTH = 8 * 1024;
const wholeInput = new Uint8Array(MAX_WHOLE_LENGTH + TAIL.length);

/**
 * The most blocks with BFINAL set in a message, as each of them takes longer than many times its bytes:
 * these, and one more for so many bytes of the message.
 */
const MAX_FINAL_BLOCKS = 1024;
const FINAL_BLOCK_SHARE = 64;

/** The largest window: what has it can inflate anything. */
const MAX_WINDOW_BITS = 15;

/**
 * The most input that one `read` takes: it may inflate to nothing, and take a hundred times as long as
 * bytes that need not be inflated.
 */
const MAX_STEP_LENGTH = 16 * 1024;

const EMPTY = new Uint8Array(0);

/**
 * Decompresses the messages of one connection (RFC 7692, section 7.2.2), piece by piece: whoever reads
 * may stop at any of them, so that no input becomes more than is wanted.
 */
export class MessageInflater {
  readonly #pool: DeflatePool;
  readonly #keepsWindow: boolean;
  readonly #windowBits: number;
  /** There from the first message on where the window is kept, else within a message. */
  #stream: DeflateStream | undefined;
  #input: Uint8Array = EMPTY;
  #position = 0;
  #end = 0;
  /** Where the tail begins in the input. */
  #tailStart = Infinity;
  /** Whether the message in progress has any payload: one without is no DEFLATE, and taken as empty. */
  #hasInput = false;
  /** The number of bytes of the message in progress that are inflated. */
  #consumed = 0;
  /** The number of bytes that the stream has given. */
  #produced = 0;
  /** The number of blocks with BFINAL set that it went on behind. */
  #finalBlocks = 0;

  /**
   * Creates one.
   *
   * @param windowBits The exponent of the window that is kept: what refers to more is corrupt. A window
   * that is not kept is the largest, as all connections share it.
   */
  constructor(pool: DeflatePool, keepsWindow: boolean, windowBits: number = MAX_WINDOW_BITS) {
    this.#pool = pool;
    this.#keepsWindow = keepsWindow;
    this.#windowBits = keepsWindow ? windowBits : MAX_WINDOW_BITS;
  }

  /** Whether there is more to read of the input so far. */
  get isPending(): boolean {
    return this.#position < this.#end || (this.#stream?.isOutputFull ?? false);
  }

  /** Where `read` puts what it gives. */
  get output(): Uint8Array {
    return DeflateStream.output;
  }

  /** The number of bytes of input that are not inflated yet. */
  get pendingLength(): number {
    return this.#end - this.#position;
  }

  /** The bytes that its stream takes, while it has one, and the input that waits for it. */
  get heldLength(): number {
    return this.#stream === undefined
      ? this.pendingLength
      : this.pendingLength + inflaterSize(this.#windowBits, this.#produced);
  }

  /** Takes a piece of a message. What came before must have been read. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    this.#feed(bytes, start, end, Infinity);
  }

  /** Takes the end of a message. */
  feedTail(): void {
    if (this.#hasInput) this.#feed(TAIL, 0, TAIL.length, 0);
  }

  /**
   * Takes a message as a whole, if it is small.
   *
   * @returns `false` where it is too large for that, and nothing was taken.
   */
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
   * Inflates the next piece, into `DeflateStream.output`: 64 KiB at most, of 16 KiB of input at most.
   *
   * @returns Its length: 0 where that input inflates to nothing.
   * @throws {ProtocolError} With 1007, where the input is corrupt; with 1008, where it is made of final
   * blocks.
   */
  read(): number {
    const stream = this.#stream ??= this.#pool.acquireInflater(this.#windowBits);
    const stepEnd = Math.min(this.#end, this.#position + MAX_STEP_LENGTH);
    let size;
    try {
      size = stream.step(this.#input, this.#position, stepEnd);
    } catch (error) {
      throw new ProtocolError(
        CloseCode.InvalidFramePayloadData,
        `Cannot receive a compressed message: ${(error as Error).message}`,
      );
    }
    this.#position += stream.consumed;
    this.#consumed += stream.consumed;
    this.#produced += size;
    if (this.#position < stepEnd && !stream.isOutputFull) this.#beginAnew(stream);
    if (this.#position === this.#end) this.#releaseInput();
    return size;
  }

  /** Keeps what was not read of the input, whose memory is used again. */
  keep(): void {
    if (this.#input === TAIL) return;
    this.#input = cloneBytes(this.#input, this.#position, this.#end);
    this.#tailStart -= this.#position;
    this.#end -= this.#position;
    this.#position = 0;
  }

  /** Ends the message. */
  finish(): void {
    this.#hasInput = false;
    this.#consumed = this.#finalBlocks = 0;
    if (!this.#keepsWindow) this.close();
  }

  /** Gives the memory back. */
  close(): void {
    this.#releaseInput();
    if (this.#stream !== undefined) this.#pool.releaseInflater(this.#windowBits, this.#stream);
    this.#stream = undefined;
    this.#produced = 0;
  }

  /** Lets go of input that was read, which may be a part of much more. */
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

  /** Goes on behind a block with BFINAL set (section 7.2.3.4), which ended the stream for zlib. */
  #beginAnew(stream: DeflateStream): void {
    if (++this.#finalBlocks > MAX_FINAL_BLOCKS + this.#consumed / FINAL_BLOCK_SHARE) {
      throw new ProtocolError(
        CloseCode.PolicyViolation,
        "Cannot receive a compressed message of so many final blocks",
      );
    }
    stream.reset();
    // Some senders leave out the empty block that was to follow: the tail is no part of anything then.
    if (this.#position >= this.#tailStart) this.#position = this.#end;
  }
}
