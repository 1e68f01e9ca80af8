import { MessageTooBigError } from "../errors.ts";

// What a peer merely declares reserves no memory beyond this and a multiple of what it has sent.
const INITIAL_CAPACITY = 1024;

// Where the length is known, most of what is reserved will be needed: fewer copies on the way.
const EXPECTED_GROWTH = 4;
const UNKNOWN_GROWTH = 2;

// Up to this many bytes a loop costs less than the view that `set` needs.
const MAX_LOOP_LENGTH = 48;

const EMPTY = new Uint8Array(0);

// Up to this size, bytes of an unknown number are collected in memory that all collectors share: the result
// is then allocated once, in its size, where memory that grows would be garbage of twice that. What begins
// with fewer bytes is likely to stay small, and has others keep that memory.
const SHARED_SIZE = 1024 * 1024;
const MIN_SHARED_START = 16 * 1024;
let shared: Uint8Array<ArrayBuffer> | undefined;
/** Whose bytes are in the shared memory. */
let sharer: ByteCollector | undefined;

/**
 * Collects pieces into one array. It grows by a factor, so that every byte is copied a constant
 * number of times on average, and holds at most that factor of what has arrived.
 */
export class ByteCollector {
  readonly #usesShared: boolean;
  #bytes: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;

  /**
   * Creates one that has collected nothing.
   *
   * @param usesShared Whether bytes of an unknown number are collected in memory that others use too: for
   * what comes in many pieces, one soon after the other.
   */
  constructor(usesShared: boolean = false) {
    this.#usesShared = usesShared;
  }

  /** The number of bytes collected so far. */
  get length(): number {
    return this.#length;
  }

  /** The number of bytes that memory is held for. */
  get capacity(): number {
    return this.#bytes === shared ? this.#length : this.#bytes.length;
  }

  /**
   * Adds `bytes` from `start` to `end` (exclusive).
   *
   * @param expectedLength How long the collection will become as far as is known: growth stops
   * there, so that a collection of that length needs no trimming.
   * @param maxLength How long it may become at most: no memory is held beyond that.
   * @throws {MessageTooBigError} Where the runtime has no array that long.
   */
  append(
    bytes: Uint8Array,
    start: number,
    end: number,
    expectedLength: number,
    maxLength: number = Infinity,
  ): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) this.#grow(length, expectedLength, maxLength);
    copyBytes(bytes, start, end, this.#bytes, this.#length);
    this.#length = length;
  }

  /** Hands the collected bytes over, and begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const isExact = sharer !== this && this.#length === this.#bytes.length;
    const bytes = this.borrow();
    return isExact ? bytes : bytes.slice();
  }

  /** Lends the collected bytes, until anything is collected by anyone, and begins anew. */
  borrow(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes;
    const length = this.#length;
    if (sharer === this) sharer = undefined;
    this.#bytes = EMPTY;
    this.#length = 0;
    return length === bytes.length ? bytes : bytes.subarray(0, length);
  }

  /** Makes room for others in the shared memory. */
  #leaveShared(): void {
    this.#bytes = this.#bytes.slice(0, this.#length);
  }

  #grow(length: number, expectedLength: number, maxLength: number): void {
    const isStart = this.#usesShared && expectedLength === Infinity && this.#length === 0;
    if (isStart && length >= MIN_SHARED_START && length <= SHARED_SIZE) {
      if (sharer !== undefined) sharer.#leaveShared();
      sharer = this;
      this.#bytes = shared ??= new Uint8Array(SHARED_SIZE);
      return;
    }
    // Where the length is not known, the first piece may well be the last: no room is left for more.
    const wanted = expectedLength === Infinity
      ? this.#bytes.length * UNKNOWN_GROWTH
      : length * EXPECTED_GROWTH;
    const capacity = Math.min(Math.max(wanted, INITIAL_CAPACITY), expectedLength, maxLength);
    let grown;
    try {
      grown = new Uint8Array(Math.max(length, capacity));
    } catch {
      throw new MessageTooBigError(length, this.#bytes.length);
    }
    copyBytes(this.#bytes, 0, this.#length, grown, 0);
    if (sharer === this) sharer = undefined;
    this.#bytes = grown;
  }
}

/**
 * Copies `bytes` from `start` to `end` (exclusive) to an array of its own. Unlike `slice`, it gives a
 * plain `Uint8Array`, and a copy, also where `bytes` is Node's `Buffer`.
 */
export function cloneBytes(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const length = end - start;
  // One call, where `set` would be the second and need a view.
  if (length > MAX_LOOP_LENGTH && bytes.constructor === Uint8Array) return bytes.slice(start, end);
  const clone = new Uint8Array(length);
  copyBytes(bytes, start, end, clone, 0);
  return clone;
}

// A view keeps all of its memory from being freed: at most so many bytes, or so many times its own.
const MAX_HELD_SIZE = 8192;
const MAX_HELD_FACTOR = 8;

/**
 * Keeps `bytes` from `start` to `end` (exclusive) where their memory is the caller's: by a plain
 * `Uint8Array` over it, or by a copy where that would keep too much memory from being freed.
 */
export function keepBytes(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const length = end - start;
  const mayBeHeld = buffer.byteLength <= Math.max(MAX_HELD_SIZE, length * MAX_HELD_FACTOR);
  // Others may write to a `SharedArrayBuffer`.
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
