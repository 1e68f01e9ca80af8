/**
 * What the load generator sends: built once, and by code of its own, so that a mistake of the library
 * does not hide here.
 *
 * @module
 */

import type { PayloadKind } from "../workloads.ts";
import { createJson } from "./json_payload.ts";
import { createRandom } from "./random.ts";

/** The lengths of characters to draw from, and the code points of each length. */
const CODE_POINTS = [[0x20, 0x7e], [0xa1, 0x7ff], [0x3041, 0x9fff], [0x1f300, 0x1f64f]] as const;

/** Makes a payload of exactly `size` bytes, the same each time. */
export function createPayload(kind: PayloadKind, size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const random = createRandom(seed);
  if (kind === "json") return new TextEncoder().encode(createJson(size, random));
  const payload = new Uint8Array(size);
  if (kind === "utf8") {
    const encoder = new TextEncoder();
    let length = 0;
    while (size - length >= 4) {
      const [first, last] = CODE_POINTS[Math.floor(random() * CODE_POINTS.length)];
      const codePoint = first + Math.floor(random() * (last - first + 1));
      const text = String.fromCodePoint(codePoint);
      length += encoder.encodeInto(text, payload.subarray(length)).written;
    }
    return payload.fill(0x2e, length);
  }
  const [first, count] = kind === "ascii" ? [0x20, 0x5f] : [0, 0x100];
  for (let i = 0; i < size; i++) payload[i] = first + Math.floor(random() * count);
  return payload;
}

/**
 * Encodes a whole message as a client's frame: masked (RFC 6455, section 5.2), and with RSV1 where the
 * payload is compressed (RFC 7692, section 6).
 */
export function encodeClientFrame(
  opcode: number,
  payload: Uint8Array,
  maskingKey: number,
  isCompressed = false,
): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const headerSize = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = new Uint8Array(headerSize + 4 + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | (isCompressed ? 0x40 : 0) | opcode;
  if (headerSize === 2) {
    frame[1] = 0x80 | length;
  } else if (headerSize === 4) {
    frame[1] = 0x80 | 126;
    view.setUint16(2, length);
  } else {
    frame[1] = 0x80 | 127;
    view.setBigUint64(2, BigInt(length));
  }
  view.setUint32(headerSize, maskingKey);
  for (let i = 0; i < length; i++) {
    frame[headerSize + 4 + i] = payload[i] ^ frame[headerSize + (i & 3)];
  }
  return frame;
}
