/**
 * A stream of frames as RFC 6455, section 5 has it, read plainly: all bytes at hand, no state but a
 * position, and the octets that are legal written out as lists. It tells for each error after how
 * many bytes it can be known.
 *
 * @module
 */

import { maskReference } from "../support/reference_frames.ts";

const BETWEEN_MESSAGES = [0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8a];
const WITHIN_A_MESSAGE = [0x00, 0x80, 0x88, 0x89, 0x8a];
const WITH_RSV1 = [0x41, 0x42, 0xc1, 0xc2];

/** What decides whether the first octet of a frame is legal. */
export interface StreamContext {
  withinMessage: boolean;
  allowRsv1: boolean;
}

export function isLegalFirstOctet(octet: number, context: StreamContext): boolean {
  if (context.withinMessage) return WITHIN_A_MESSAGE.includes(octet);
  return BETWEEN_MESSAGES.includes(octet) || (context.allowRsv1 && WITH_RSV1.includes(octet));
}

/** Tells whether the second octet may follow the first, which was legal. */
export function isLegalSecondOctet(first: number, second: number, masked: boolean): boolean {
  const isControl = [0x88, 0x89, 0x8a].includes(first);
  const longest = isControl ? 125 : 127;
  return masked ? second >= 128 && second <= 128 + longest : second <= longest;
}

/** A frame, or what there is of it once its length is known. */
export interface StreamFrame {
  fin: boolean;
  rsv1: boolean;
  opcode: number;
  declaredLength: bigint;
  /** Where the length ends: all but the masking key is known there. */
  lengthEnd: number;
  payloadStart: number;
  /** The payload, unmasked, as far as it is there. */
  payload: Uint8Array;
  /** Whether all of it is there. */
  whole: boolean;
}

/** All that can be said of a stream. */
export interface ReadStream {
  frames: StreamFrame[];
  /** After how many bytes the stream is known to break the RFC. */
  failedAt: number | undefined;
}

/** Reads a stream that a client sent (`masked`), or a server. */
export function readStream(
  bytes: Uint8Array,
  { masked, allowRsv1 = false }: { masked: boolean; allowRsv1?: boolean },
): ReadStream {
  const frames: StreamFrame[] = [];
  let withinMessage = false;
  let position = 0;
  for (;;) {
    const [first, second] = bytes.subarray(position, position + 2);
    if (first === undefined) return { frames, failedAt: undefined };
    if (!isLegalFirstOctet(first, { withinMessage, allowRsv1 })) {
      return { frames, failedAt: position + 1 };
    }
    if (second === undefined) return { frames, failedAt: undefined };
    if (!isLegalSecondOctet(first, second, masked)) return { frames, failedAt: position + 2 };

    const lengthStart = position + 2;
    const form = second & 0x7f;
    const lengthEnd = lengthStart + (form === 127 ? 8 : form === 126 ? 2 : 0);
    const octets = bytes.subarray(lengthStart, lengthEnd);
    if (form === 127) {
      if (octets[0] >= 0x80) return { frames, failedAt: lengthStart + 1 };
      if (octets.length >= 6 && octets.subarray(0, 6).every((octet) => octet === 0)) {
        return { frames, failedAt: lengthStart + 6 };
      }
    }
    if (bytes.length < lengthEnd) return { frames, failedAt: undefined };
    if (form === 126 && octets[0] === 0 && octets[1] < 126) {
      return { frames, failedAt: lengthEnd };
    }
    const declaredLength = form < 126
      ? BigInt(form)
      : octets.reduce((length, octet) => length * 256n + BigInt(octet), 0n);

    const payloadStart = lengthEnd + (masked ? 4 : 0);
    const end = BigInt(payloadStart) + declaredLength;
    const whole = end <= BigInt(bytes.length);
    const onWire = bytes.slice(payloadStart, whole ? Number(end) : bytes.length);
    const payload = masked ? maskReference(onWire, bytes.slice(lengthEnd, payloadStart)) : onWire;
    const opcode = first & 0x0f;
    const fin = first >= 0x80;
    const rsv1 = (first & 0x40) !== 0;
    frames.push({ fin, rsv1, opcode, declaredLength, lengthEnd, payloadStart, payload, whole });
    if (!whole) return { frames, failedAt: undefined };
    if (opcode < 8) withinMessage = !fin;
    position = Number(end);
  }
}
