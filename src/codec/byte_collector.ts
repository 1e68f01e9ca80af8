import { MessageTooBigError } from "../errors.ts";
import { allocate } from "./native.ts";

// A length that a peer merely declares reserves no more memory than this, or a multiple of what it has sent.
const INITIAL_CAPACITY = 1024;

// If the final length is known, most of the memory will be needed: grow faster, to copy less often.
const EXPECTED_GROWTH = 4;
const UNKNOWN_GROWTH = 2;

// Bytes that arrive in pieces of this size, or larger ones, get memory of the length expected at once, as long as
// all such memory that nothing was written to yet is no more than `MAX_UNWRITTEN`.
const MIN_LARGE_PIECE = 16 * 1024;
const MAX_UNWRITTEN = 4 * 1024 * 1024;
/** How many bytes of such memory nothing was written to yet. */
let unwritten = 0;

// Up to this many bytes a loop costs less than the view that `set` needs.
const MAX_LOOP_LENGTH = 48;

const EMPTY = new Uint8Array(0);

// If the final length is unknown, up to `SHARED_SIZE` bytes are collected in memory that all collectors share.
// The result is then allocated once, in its exact size; growing arrays would leave twice that as garbage.
// A collection that starts with less than `MIN_SHARED_START` is likely to stay small.
const SHARED_SIZE = 1024 * 1024;
const MIN_SHARED_START = 16 * 1024;
let shared: Uint8Array<ArrayBuffer> | undefined;
/** The collector whose bytes are in the shared memory. */
let sharer: ByteCollector | undefined;

/** Collects pieces into one array, which grows by a factor: each byte is copied a few times on average. */
export class ByteCollector {
  readonly #usesShared: boolean;
  #bytes: Uint8Array<ArrayBuffer> = EMPTY;
  /** The number of bytes collected so far. */
  length = 0;
  /** What this collector adds to `unwritten`. */
  #unwritten = 0;

  /**
   * With `usesShared` a collection of unknown length may use the shared memory, and a large one of known length may
   * allocate all at once: for pieces that arrive soon after one another. It is then taken or borrowed in any case.
   */
  constructor(usesShared: boolean = false) {
    this.#usesShared = usesShared;
  }

  /** The memory this collector owns, in bytes. */
  get capacity(): number {
    return this.#bytes === shared ? this.length : this.#bytes.length;
  }

  /**
   * Adds `bytes` from `start` to `end` (exclusive). The memory grows to `expectedLength` and no further, so that a
   * collection of that length needs no trimming; `Infinity` if unknown. No more than `maxLength` is allocated.
   *
   * @throws {MessageTooBigError} If the runtime can't allocate an array of that length.
   */
  append(
    bytes: Uint8Array,
    start: number,
    end: number,
    expectedLength: number,
    maxLength: number = Infinity,
  ): void {
    const length = this.length + end - start;
    if (length > this.#bytes.length) this.#grow(length, expectedLength, maxLength);
    copyBytes(bytes, start, end, this.#bytes, this.length);
    this.length = length;
    if (this.#unwritten > 0) this.#setUnwritten(this.#bytes.length - length);
  }

  /** The bytes collected so far, valid until any collector is appended to. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  /** Returns the collected bytes as an array that the caller owns, and resets the collector. */
  take(): Uint8Array<ArrayBuffer> {
    const isExact = sharer !== this && this.length === this.#bytes.length;
    const bytes = this.borrow();
    return isExact ? bytes : bytes.slice();
  }

  /** Returns the collected bytes, valid until any collector is appended to, and resets the collector. */
  borrow(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes;
    const length = this.length;
    this.#setUnwritten(0);
    if (sharer === this) sharer = undefined;
    this.#bytes = EMPTY;
    this.length = 0;
    return length === bytes.length ? bytes : bytes.subarray(0, length);
  }

  #setUnwritten(size: number): void {
    unwritten += size - this.#unwritten;
    this.#unwritten = size;
  }

  #grow(length: number, expectedLength: number, maxLength: number): void {
    const isStart = this.#usesShared && expectedLength === Infinity && this.length === 0;
    if (isStart && length >= MIN_SHARED_START && length <= SHARED_SIZE) {
      // The bytes of another collector leave the shared memory.
      if (sharer !== undefined) sharer.#bytes = sharer.#bytes.slice(0, sharer.length);
      sharer = this;
      this.#bytes = shared ??= new Uint8Array(SHARED_SIZE);
      return;
    }
    if (this.length === 0 && expectedLength === Infinity && length < MIN_LARGE_PIECE) {
      // It may be the last, and gets no spare room.
      this.#bytes = new Uint8Array(length);
      return;
    }
    const wanted = expectedLength === Infinity
      ? this.#bytes.length * UNKNOWN_GROWTH
      : length * EXPECTED_GROWTH;
    const isLarge = length - this.length >= MIN_LARGE_PIECE;
    const isWhole = this.#usesShared && isLarge && unwritten + expectedLength <= MAX_UNWRITTEN;
    const capacity = isWhole
      ? expectedLength
      : Math.min(Math.max(wanted, INITIAL_CAPACITY), expectedLength, maxLength);
    let grown;
    try {
      grown = allocate(Math.max(length, capacity));
    } catch {
      throw new MessageTooBigError(length, this.#bytes.length);
    }
    copyBytes(this.#bytes, 0, this.length, grown, 0);
    if (sharer === this) sharer = undefined;
    this.#bytes = grown;
    this.#setUnwritten(isWhole ? grown.length : 0);
  }
}

/** Copies `bytes` from `start` to `end` (exclusive) to a plain `Uint8Array`: `slice` of Node's `Buffer` does not. */
export function cloneBytes(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const length = end - start;
  // One call; `copyBytes` would take a second one, and a view.
  if (length > MAX_LOOP_LENGTH && length < MIN_LARGE_PIECE && bytes.constructor === Uint8Array) {
    return bytes.slice(start, end);
  }
  const clone = length < MIN_LARGE_PIECE ? new Uint8Array(length) : allocate(length);
  copyBytes(bytes, start, end, clone, 0);
  return clone;
}

// A view keeps its whole buffer in memory: allowed up to this many bytes, or this many times its own length.
const MAX_HELD_SIZE = 8192;
const MAX_HELD_FACTOR = 8;

/**
 * Returns `bytes` from `start` to `end` (exclusive), whose buffer the caller owns, for long storage: as a
 * plain `Uint8Array` over that buffer, or as a copy if that would keep too much other memory alive.
 */
export function retainBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const length = end - start;
  const mayBeHeld = buffer.byteLength <= Math.max(MAX_HELD_SIZE, length * MAX_HELD_FACTOR);
  // Other threads may write to a `SharedArrayBuffer`.
  return mayBeHeld && buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, bytes.byteOffset + start, length)
    : cloneBytes(bytes, start, end);
}

/** Copies `source` from `start` to `end` (exclusive) to `target` at `offset`. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number,
): void {
  if (end - start <= MAX_LOOP_LENGTH) {
    for (let i = start, o = offset; i < end; i++, o++) target[o] = source[i]!;
  } else {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), offset);
  }
}

/** Copies chunks, of `length` bytes together, into one array. */
export function concatBytes(
  chunks: readonly Uint8Array[],
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let position = 0;
  for (const chunk of chunks) {
    copyBytes(chunk, 0, chunk.length, bytes, position);
    position += chunk.length;
  }
  return bytes;
}
