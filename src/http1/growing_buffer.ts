/**
 * Collects bytes that arrive in pieces. Its capacity doubles, so that every byte is copied a constant number
 * of times on average, and is at most twice the bytes that arrived: a client that sends little costs little.
 */
export class GrowingBuffer {
  #bytes = new Uint8Array(0);
  #length = 0;

  /** The bytes so far, as a view that is valid until the next `append`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The number of bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** The memory held, in bytes. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Adds a copy of `bytes`. */
  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }
}
