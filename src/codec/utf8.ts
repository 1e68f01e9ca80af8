/** Validation of UTF-8 (RFC 3629) that arrives in pieces, as RFC 6455, section 8.1 asks for. */

// Below this a loop over octets is faster than the creation of a view over words.
const MIN_WORDS_LENGTH = 64;

/**
 * Validates UTF-8 that arrives in pieces, and fails at the first octet that no valid text can have
 * at its place: also within an unfinished code point, frame or message (RFC 6455, section 8.1).
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
  /** Continuation octets the code point in progress still needs. */
  #needed = 0;
  /** The range of the next continuation octet; narrower than 80..BF right after some first octets. */
  #lower = 0x80;
  #upper = 0xbf;

  /** Whether the text so far ends at the end of a code point. */
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
   * Takes the next piece of the text.
   *
   * @param bytes The array that holds the piece.
   * @param start Where the piece begins. Default: 0.
   * @param end Where it ends (exclusive). Default: `bytes.length`.
   * @returns `false` where the text is not UTF-8, whatever follows; the validator must then be
   * {@linkcode Utf8Validator.reset} before it is used again.
   */
  validate(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
    let needed = this.#needed;
    let lower = this.#lower;
    let upper = this.#upper;
    let i = start;
    while (i < end) {
      if (needed === 0) {
        i = skipAscii(bytes, i, end);
        if (i === end) break;
        const octet = bytes[i++];
        // The table of well-formed sequences: RFC 3629, section 4.
        if (octet < 0xc2) return false;
        if (octet < 0xe0) {
          needed = 1;
        } else if (octet < 0xf0) {
          needed = 2;
          if (octet === 0xe0) lower = 0xa0; // shorter forms exist below
          else if (octet === 0xed) upper = 0x9f; // surrogates lie above
        } else if (octet < 0xf5) {
          needed = 3;
          if (octet === 0xf0) lower = 0x90; // shorter forms exist below
          else if (octet === 0xf4) upper = 0x8f; // U+10FFFF is the last code point
        } else {
          return false;
        }
      } else {
        const octet = bytes[i++];
        if (octet < lower || octet > upper) return false;
        lower = 0x80;
        upper = 0xbf;
        needed--;
      }
    }
    this.#needed = needed;
    this.#lower = lower;
    this.#upper = upper;
    return true;
  }
}

/** Finds the first octet from `start` on that is not ASCII; `end` where there is none. */
function skipAscii(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  // Text in other scripts has short runs of ASCII at most: only a run that lasts earns a view.
  const probe = Math.min(end, start + 16);
  while (i < probe && bytes[i] < 0x80) i++;
  if (i < probe || end - i < MIN_WORDS_LENGTH) {
    while (i < end && bytes[i] < 0x80) i++;
    return i;
  }
  while (((bytes.byteOffset + i) & 3) !== 0) {
    if (bytes[i] >= 0x80) return i;
    i++;
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (end - i) >> 2);
  let w = 0;
  while (w < words.length && (words[w] & 0x80808080) === 0) w++;
  i += w << 2;
  while (i < end && bytes[i] < 0x80) i++;
  return i;
}

// ignoreBOM: a leading U+FEFF is part of the message (by default the decoder would strip it).
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes UTF-8 that is whole. A leading byte order mark is kept: it is part of the text.
 *
 * @param bytes The array that holds the text.
 * @param start Where the text begins. Default: 0.
 * @param end Where it ends (exclusive). Default: `bytes.length`.
 * @returns The text, or `undefined` where it is not UTF-8.
 */
export function decodeUtf8(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): string | undefined {
  try {
    return decoder.decode(
      start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end),
    );
  } catch {
    return undefined;
  }
}
