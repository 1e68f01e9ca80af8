/**
 * Cases as a server plays them: the same bytes, but what is masked in them is not, and what is not
 * masked is.
 *
 * @module
 */

import type { Step } from "./case.ts";

/** A key for frames that a server must not mask. */
const KEY = [0x37, 0xfa, 0x21, 0x3d];

/** Exchanges masked and unmasked in all that the steps send, which may be cut anywhere. */
export function exchangeMasking(steps: readonly Step[]): Step[] {
  const exchange = new MaskingExchange();
  return steps.map((step) => {
    if (!("writes" in step)) return step;
    const writes = step.writes.map((bytes) => exchange.push(bytes));
    return { writes: writes.filter((bytes) => bytes.length > 0) };
  });
}

/**
 * Follows the frames in a stream of bytes, as far as a header tells of them: whatever it declares is
 * taken to follow.
 */
class MaskingExchange {
  /** The header of the frame in progress, and what is still to come of its payload. */
  #header: number[] = [];
  #remaining = 0n;
  #position = 0;
  #output: Uint8Array = new Uint8Array(0);
  #length = 0;

  push(bytes: Uint8Array): Uint8Array {
    // A frame of two bytes grows by four.
    this.#output = new Uint8Array(bytes.length * 3 + KEY.length);
    this.#length = 0;
    for (let i = 0; i < bytes.length;) {
      if (this.#remaining === 0n) this.#takeHeader(bytes[i++]);
      else i += this.#takePayload(bytes.subarray(i));
    }
    return this.#output.subarray(0, this.#length);
  }

  #put(byte: number): void {
    this.#output[this.#length++] = byte;
  }

  #takeHeader(byte: number): void {
    const header = this.#header;
    header.push(byte);
    if (header.length === 1) return this.#put(byte);
    const short = header[1] & 0x7f;
    const lengthEnd = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (header.length <= lengthEnd) this.#put(header.length === 2 ? byte ^ 0x80 : byte);
    const isMasked = header[1] >= 0x80;
    if (header.length < lengthEnd + (isMasked ? 4 : 0)) return;
    if (!isMasked) KEY.forEach((byte) => this.#put(byte));
    let length = BigInt(short);
    if (lengthEnd > 2) {
      length = header.slice(2, lengthEnd).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    }
    this.#remaining = length;
    this.#position = 0;
    if (length === 0n) this.#header = [];
  }

  /** Takes payload; gives how much of it belongs to the frame. */
  #takePayload(bytes: Uint8Array): number {
    const count = BigInt(bytes.length) < this.#remaining ? bytes.length : Number(this.#remaining);
    // Masked or not, it is the key that makes the one the other.
    const key = this.#header[1] >= 0x80 ? this.#header.slice(-4) : KEY;
    for (let i = 0; i < count; i++) this.#put(bytes[i] ^ key[(this.#position + i) & 3]);
    this.#position = (this.#position + count) & 3;
    this.#remaining -= BigInt(count);
    if (this.#remaining === 0n) this.#header = [];
    return count;
  }
}
