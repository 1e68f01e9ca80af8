/**
 * Masking (RFC 6455, section 5.3): octet i of the payload is XORed with octet i MOD 4 of the key.
 */

import type { maskBySimd } from "./mask_simd.ts";

// Below this many bytes, a loop over octets is faster than creating a view over words.
const MIN_WORDS_LENGTH = 128;

// From this many bytes on, SIMD is faster in spite of its copies.
const MIN_SIMD_LENGTH = 4096;

/** Set once `mask_simd.ts` is loaded. */
let maskLong: typeof maskBySimd | undefined;

/** Has long payloads masked by SIMD. */
export function useSimd(given: typeof maskBySimd): void {
  maskLong = given;
}

// The key as octets and as a word, in the same memory: so the word is in the platform's byte order.
const keyOctets = new Uint8Array(4);
const keyWord = new Int32Array(keyOctets.buffer);

/**
 * Masks or unmasks `bytes` in place; the two are the same operation (RFC 6455, section 5.3).
 *
 * A payload that arrives in pieces is unmasked piece by piece: `offset` is the position of the piece in
 * the payload.
 *
 * @param bytes The array that holds the payload, or a piece of it.
 * @param maskingKey The masking key as an unsigned or signed 32-bit integer in network byte order:
 * its most significant octet masks octet 0 of the payload.
 * @param start Where the piece begins in `bytes`. Default: 0.
 * @param end Where the piece ends in `bytes` (exclusive). Default: `bytes.length`.
 * @param offset How many octets of the payload came before the piece; only its remainder by 4
 * matters. Default: 0.
 */
export function mask(
  bytes: Uint8Array,
  maskingKey: number,
  start = 0,
  end: number = bytes.length,
  offset = 0,
): void {
  // Rotated, the key begins with the octet that masks bytes[start].
  const shift = (offset & 3) << 3;
  let key = shift === 0 ? maskingKey : (maskingKey << shift) | (maskingKey >>> (32 - shift));
  if (
    end - start >= MIN_SIMD_LENGTH && maskLong !== undefined &&
    maskLong(bytes, key, start, end)
  ) return;
  let i = start;
  if (end - start >= MIN_WORDS_LENGTH) {
    const misaligned = (bytes.byteOffset + start) & 3;
    if (misaligned !== 0) {
      const aligned = start + 4 - misaligned;
      for (; i < aligned; i++) {
        bytes[i]! ^= key >>> 24;
        key = (key << 8) | (key >>> 24);
      }
    }
    const length = (end - i) >> 2;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, length);
    keyOctets[0] = key >>> 24;
    keyOctets[1] = key >>> 16;
    keyOctets[2] = key >>> 8;
    keyOctets[3] = key;
    const word = keyWord[0]!;
    for (let w = 0; w < length; w++) words[w]! ^= word;
    i += length << 2;
  }
  const key0 = key >>> 24, key1 = key >>> 16, key2 = key >>> 8;
  // Storing into a Uint8Array keeps the low eight bits, so the key's other bits don't matter.
  for (; i + 4 <= end; i += 4) {
    bytes[i]! ^= key0;
    bytes[i + 1]! ^= key1;
    bytes[i + 2]! ^= key2;
    bytes[i + 3]! ^= key;
  }
  if (i < end) bytes[i++]! ^= key0;
  if (i < end) bytes[i++]! ^= key1;
  if (i < end) bytes[i]! ^= key2;
}
