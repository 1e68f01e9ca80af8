import { MessageTooBigError } from "../errors.ts";

// The first allocation. What a peer merely declares reserves no memory beyond it.
const INITIAL_CAPACITY = 1024;

const EMPTY = new Uint8Array(0);

/**
 * Collects pieces into one array. It grows by doubling, so that every byte is copied a constant
 * number of times on average, and holds at most about twice what has arrived.
 */
export class ByteCollector {
  #bytes: Uint8Array = EMPTY;
  #length = 0;

  /** The number of bytes collected so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds `bytes` from `start` to `end` (exclusive).
   *
   * @param expectedLength How long the collection will become as far as is known: growth stops
   * there, so that a collection of that length needs no trimming.
   * @throws {MessageTooBigError} Where the runtime has no array that long.
   */
  append(bytes: Uint8Array, start: number, end: number, expectedLength: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) this.#grow(length, expectedLength);
    copyBytes(bytes, start, end, this.#bytes, this.#length);
    this.#length = length;
  }

  /** Hands the collected bytes over, and begins anew. */
  take(): Uint8Array {
    const bytes = this.#bytes;
    const length = this.#length;
    this.#bytes = EMPTY;
    this.#length = 0;
    return length === bytes.length ? bytes : bytes.slice(0, length);
  }

  #grow(length: number, expectedLength: number): void {
    const capacity = Math.min(Math.max(this.#bytes.length * 2, INITIAL_CAPACITY), expectedLength);
    let grown;
    try {
      grown = new Uint8Array(Math.max(length, capacity));
    } catch {
      throw new MessageTooBigError(length, this.#bytes.length);
    }
    copyBytes(this.#bytes, 0, this.#length, grown, 0);
    this.#bytes = grown;
  }
}

/**
 * Copies `bytes` from `start` to `end` (exclusive) to an array of its own. Unlike `slice`, it gives a
 * plain `Uint8Array`, and a copy, also where `bytes` is Node's `Buffer`.
 */
export function cloneBytes(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const clone = new Uint8Array(end - start);
  copyBytes(bytes, start, end, clone, 0);
  return clone;
}

/** Copies `source` from `start` to `end` (exclusive) to `target` at `offset`. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number,
): void {
  // For some bytes a loop costs less than the view that `set` needs.
  if (end - start <= 48) {
    for (let i = start, o = offset; i < end; i++, o++) target[o] = source[i];
  } else {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), offset);
  }
}
