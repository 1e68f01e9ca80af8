import { native } from "./native.ts";

// From this many bytes on, the runtime's own validation is faster in spite of the view that it needs.
const MIN_NATIVE_LENGTH = 256;

// Below this many bytes, a loop over octets is faster than creating a view over words.
const MIN_WORDS_LENGTH = 64;

/** The bits of four octets that are never set in ASCII. */
const NOT_ASCII = 0x80808080;

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
    let i = start;
    if (this.#needed > 0) {
      i = this.#continue(bytes, i, end);
      if (i < 0) return false;
    }
    if (end - i >= MIN_NATIVE_LENGTH && native.isUtf8 !== undefined) {
      const wholeEnd = findWholeEnd(bytes, end);
      if (!native.isUtf8(bytes.subarray(i, wholeEnd))) return false;
      i = wholeEnd;
    }
    // A code point that is complete in the piece is checked at once, by the table of well-formed sequences
    // of RFC 3629, section 4: that is twice as fast as octet by octet.
    while (i < end) {
      const first = bytes[i]!;
      if (first < 0x80) {
        i = skipAscii(bytes, i + 1, end);
      } else if (first < 0xe0) {
        if (i + 2 > end) return this.#begin(bytes, i, end);
        if (first < 0xc2 || !isContinuation(bytes[i + 1]!)) return false;
        i += 2;
      } else if (first < 0xf0) {
        if (i + 3 > end) return this.#begin(bytes, i, end);
        const second = bytes[i + 1]!;
        if (!isContinuation(second) || !isContinuation(bytes[i + 2]!)) return false;
        if (first === 0xe0 && second < 0xa0) return false; // shorter forms exist
        if (first === 0xed && second > 0x9f) return false; // surrogates
        i += 3;
      } else {
        if (i + 4 > end) return this.#begin(bytes, i, end);
        const second = bytes[i + 1]!;
        if (!isContinuation(second) || !isContinuation(bytes[i + 2]!)) return false;
        if (first > 0xf4 || !isContinuation(bytes[i + 3]!)) return false;
        if (first === 0xf0 && second < 0x90) return false; // shorter forms exist
        if (first === 0xf4 && second > 0x8f) return false; // U+10FFFF is the last code point
        i += 4;
      }
    }
    return true;
  }

  /** Validates a code point whose end is not in the piece; returns whether it can become valid. */
  #begin(bytes: Uint8Array, start: number, end: number): boolean {
    const first = bytes[start]!;
    if (first < 0xc2 || first > 0xf4) return false;
    if (first < 0xe0) {
      this.#needed = 1;
    } else if (first < 0xf0) {
      this.#needed = 2;
      if (first === 0xe0) this.#lower = 0xa0;
      else if (first === 0xed) this.#upper = 0x9f;
    } else {
      this.#needed = 3;
      if (first === 0xf0) this.#lower = 0x90;
      else if (first === 0xf4) this.#upper = 0x8f;
    }
    return this.#continue(bytes, start + 1, end) >= 0;
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

function isContinuation(octet: number): boolean {
  return (octet & 0xc0) === 0x80;
}

/** Returns the index of the first octet from `start` on that is not ASCII; `end` if there is none. */
function skipAscii(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  // Text in other scripts has only short runs of ASCII: the view pays off for longer ones.
  const probe = Math.min(end, start + 16);
  while (i < probe && bytes[i]! < 0x80) i++;
  if (i < probe || end - i < MIN_WORDS_LENGTH) {
    while (i < end && bytes[i]! < 0x80) i++;
    return i;
  }
  while (((bytes.byteOffset + i) & 3) !== 0) {
    if (bytes[i]! >= 0x80) return i;
    i++;
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (end - i) >> 2);
  const last = words.length - 3;
  let w = 0;
  while (
    w < last && ((words[w]! | words[w + 1]! | words[w + 2]! | words[w + 3]!) & NOT_ASCII) === 0
  ) {
    w += 4;
  }
  while (w < words.length && (words[w]! & NOT_ASCII) === 0) w++;
  i += w << 2;
  while (i < end && bytes[i]! < 0x80) i++;
  return i;
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
