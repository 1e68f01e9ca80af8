/**
 * What a receiver must make of a stream, read plainly: RFC 6455, sections 5.4 to 5.6, 7 and 8.1, and
 * the limits, with all bytes at hand.
 *
 * @module
 */

import { closePayloadFaults, concatBytes } from "../support/reference_frames.ts";
import { readStream } from "../codec/reference_stream.ts";
import { readUtf8 } from "../codec/utf8_oracle.ts";
import { describeClose, describeControl, describeMessage } from "./events.ts";

/** What a receiver is. */
export interface ReferenceReceiver {
  /** Whether its peer is a client. */
  masked: boolean;
  maxMessageSize: number;
  maxFragments: number;
  /** After how many bytes it sent a Close frame. @default never */
  closeAt?: number;
}

/** What becomes of a stream. */
export interface Received {
  /** What was received, up to a Close or an error. */
  events: string[];
  /** The code the connection fails with, if it does. */
  closeCode: number | undefined;
  /** After how many bytes the error is known. */
  failedAt: number | undefined;
}

export function receivePlainly(bytes: Uint8Array, receiver: ReferenceReceiver): Received {
  const { frames, failedAt } = readStream(bytes, receiver);
  const events: string[] = [];
  const fail = (closeCode: number, failedAt: number) => ({ events, closeCode, failedAt });
  // Behind its own Close frame it drops messages, and has no answer to a Ping.
  const { closeAt = Infinity } = receiver;

  let type = 0;
  let fragments: Uint8Array[] = [];
  let size = 0n;
  for (const frame of frames) {
    const { opcode, payload, whole, payloadStart } = frame;
    const end = payloadStart + payload.length;
    if (opcode >= 8) {
      if (!whole) break;
      if (opcode !== 8) {
        if (opcode === 10 || end <= closeAt) events.push(describeControl(opcode, payload));
        continue;
      }
      const [fault] = closePayloadFaults(payload);
      if (fault !== undefined) return fail(fault.includes("UTF-8") ? 1007 : 1002, end);
      events.push(describeClose(payload));
      return { events, closeCode: undefined, failedAt: undefined };
    }

    if (opcode !== 0) {
      type = opcode;
      fragments = [];
      size = 0n;
    }
    size += frame.declaredLength;
    const { maxMessageSize, maxFragments } = receiver;
    if (maxMessageSize !== Infinity && size > BigInt(maxMessageSize)) {
      return fail(1009, frame.lengthEnd);
    }
    if (fragments.length + 1 - Number(size) > maxFragments) return fail(1008, frame.lengthEnd);

    const before = concatBytes(fragments);
    fragments.push(payload);
    const message = concatBytes(fragments);
    if (type === 1) {
      const { impossibleAt, complete } = readUtf8(message);
      const failedAt = payloadStart + (impossibleAt ?? 0) - before.length + 1;
      if (impossibleAt !== undefined && failedAt <= closeAt) return fail(1007, failedAt);
      if (whole && frame.fin && !complete && end <= closeAt) return fail(1007, end);
    }
    if (whole && frame.fin && end <= closeAt) {
      events.push(describeMessage(type === 1 ? "text" : "binary", message));
    }
  }
  return { events, closeCode: failedAt === undefined ? undefined : 1002, failedAt };
}
