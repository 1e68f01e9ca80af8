import { native } from "./native.ts";

// From this many bytes on, the runtime's own validation is faster in spite of the view that it needs.
const MIN_NATIVE_LENGTH = 64;

/**
 * Validates UTF-8 (RFC 3629) that arrives in pieces, and fails at the first octet that can't be valid,
 * even within an unfinished code point, frame or message (RFC 6455, section 8.1).
 *
 * @example
 * ```ts
 * import { Utf8Validator } from "@sluice/websocket/codec";
 *
 * const validator = new Utf8Validator();
 * validator.validate(new Uint8Array([0xe2, 0x82])); // true: the beginning of "€"
 * validator.complete; // false
 * validator.validate(new Uint8Array([0xac])); // true
 * validator.complete; // true
 * validator.validate(new Uint8Array([0xc0])); // false: never part of UTF-8
 * ```
 */
export class Utf8Validator {
  /** The number of continuation octets missing from the code point in progress. */
  #needed = 0;
  /** The range of the next continuation octet: narrower than 80..BF after some first octets. */
  #lower = 0x80;
  #upper = 0xbf;

  /** Whether no code point is in progress. */
  get complete(): boolean {
    return this.#needed === 0;
  }

  /** Forgets the text so far. */
  reset(): void {
    this.#needed = 0;
    this.#lower = 0x80;
    this.#upper = 0xbf;
  }

  /**
   * Validates the next piece of the text.
   *
   * @param bytes The array that holds the piece.
   * @param start Where the piece begins. Default: 0.
   * @param end Where it ends (exclusive). Default: `bytes.length`.
   * @returns `false` if the text can't be UTF-8; {@linkcode Utf8Validator.reset} is then needed before the
   * next use.
   */
  validate(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
    let i = this.#continue(bytes, start, end);
    if (i < 0) return false;
    if (end - i >= MIN_NATIVE_LENGTH && native.isUtf8 !== undefined) {
      const wholeEnd = findWholeEnd(bytes, end);
      if (!native.isUtf8(bytes.subarray(i, wholeEnd))) return false;
      i = wholeEnd;
    }
    for (;;) {
      while (i < end && bytes[i]! < 0x80) i++;
      if (i === end) return true;
      i = this.#begin(bytes, i, end);
      if (i < 0) return false;
    }
  }

  /** Validates a code point of several octets, by the table of RFC 3629, section 4; see `#continue`. */
  #begin(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start]!;
    if (first < 0xc2 || first > 0xf4) return -1;
    if (first === 0xe0) this.#lower = 0xa0; // shorter forms exist
    else if (first === 0xed) this.#upper = 0x9f; // surrogates
    else if (first === 0xf0) this.#lower = 0x90; // shorter forms exist
    else if (first === 0xf4) this.#upper = 0x8f; // U+10FFFF is the last code point
    this.#needed = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    return this.#continue(bytes, start + 1, end);
  }

  /** Continues the code point in progress; returns the index after it, or -1 if it is invalid. */
  #continue(bytes: Uint8Array, start: number, end: number): number {
    let i = start;
    for (; i < end && this.#needed > 0; i++) {
      if (bytes[i]! < this.#lower || bytes[i]! > this.#upper) return -1;
      this.#lower = 0x80;
      this.#upper = 0xbf;
      this.#needed--;
    }
    return i;
  }
}

/** Returns the index of the code point that `bytes` has only the beginning of before `end`; `end` if there is none. */
export function findWholeEnd(bytes: Uint8Array, end: number): number {
  for (let length = 1; length <= 3; length++) {
    const octet = bytes[end - length]!;
    if (octet >= 0xc0) {
      return length < (octet < 0xe0 ? 2 : octet < 0xf0 ? 3 : 4) ? end - length : end;
    }
    if (octet < 0x80) break;
  }
  return end;
}

// ignoreBOM: a leading U+FEFF is part of the message (by default the decoder would strip it).
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The character that the decoder substitutes for invalid octets. It may also be sent as such. */
const REPLACEMENT = "\ufffd";

// Up to this many octets, if they are ASCII, a loop beats the call into the runtime's decoder.
const MAX_LOOP_LENGTH = 24;

/** A reusable array of each length, for the characters of a short text. */
const characters = Array.from(
  { length: MAX_LOOP_LENGTH + 1 },
  (_, n) => new Array<number>(n).fill(0),
);

/**
 * Decodes a complete text of UTF-8. A leading byte order mark is part of the result.
 *
 * @param bytes The array that holds the text.
 * @param start Where the text begins. Default: 0.
 * @param end Where it ends (exclusive). Default: `bytes.length`.
 * @returns The text, or `undefined` if it is not UTF-8.
 */
export function decodeUtf8(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): string | undefined {
  const length = end - start;
  if (length <= MAX_LOOP_LENGTH) {
    const units = characters[length]!;
    let i = 0;
    for (; i < length; i++) {
      const octet = bytes[start + i]!;
      if (octet >= 0x80) break;
      units[i] = octet;
    }
    if (i === length) return String.fromCharCode.apply(undefined, units);
  }
  const piece = length === bytes.length ? bytes : bytes.subarray(start, end);
  try {
    // The strict decoder takes many times as long on some runtimes: use it only in case of doubt.
    const text = decoder.decode(piece);
    return text.includes(REPLACEMENT) ? strictDecoder.decode(piece) : text;
  } catch {
    return undefined;
  }
}
