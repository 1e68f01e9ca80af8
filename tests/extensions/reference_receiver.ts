/**
 * What a server must make of a stream of frames where compression was agreed upon, read plainly: RFC
 * 7692, sections 6 and 7.2, and RFC 6455 as in `tests/protocol/reference_receiver.ts`.
 *
 * @module
 */

import { readStream } from "../codec/reference_stream.ts";
import { readUtf8 } from "../codec/utf8_oracle.ts";
import { describeClose, describeControl, describeMessage } from "../protocol/events.ts";
import { closePayloadFaults, concatBytes } from "../support/reference_frames.ts";
import { ReferenceInflater } from "./reference_inflater.ts";

export interface Limits {
  maxMessageSize: number;
  maxFragments: number;
}

/** What becomes of a stream. */
export interface Received {
  /** What was received, up to a Close or an error. */
  events: string[];
  /**
   * The codes it may fail with; none where it does not fail. A message with several faults fails with
   * the one that is seen first, which depends on how the bytes arrive.
   */
  closeCodes: Set<number>;
}

export function receiveInflating(
  bytes: Uint8Array,
  { maxMessageSize, maxFragments, keepsWindow, windowBits }: Limits & {
    keepsWindow: boolean;
    windowBits: number;
  },
): Received {
  const { frames, failedAt } = readStream(bytes, { masked: true, allowRsv1: true });
  const inflater = new ReferenceInflater(keepsWindow, windowBits);
  const events: string[] = [];
  const fail = (...codes: number[]): Received => ({ events, closeCodes: new Set(codes) });

  let type = 0;
  let isCompressed = false;
  let payloads: Uint8Array[] = [];
  let declared = 0n;
  for (const { opcode, payload, whole, fin, rsv1, declaredLength } of frames) {
    if (opcode >= 8) {
      if (!whole) break;
      if (opcode !== 8) {
        events.push(describeControl(opcode, payload));
        continue;
      }
      const [fault] = closePayloadFaults(payload);
      if (fault !== undefined) return fail(fault.includes("UTF-8") ? 1007 : 1002);
      events.push(describeClose(payload));
      return fail();
    }

    if (opcode !== 0) {
      type = opcode;
      isCompressed = rsv1;
      payloads = [];
      declared = 0n;
    }
    declared += declaredLength;
    const flushes = Math.min(payloads.length, maxMessageSize);
    const longest = maxMessageSize + maxMessageSize / 8 + 1024 + 16 * flushes;
    if (Number(declared) > (isCompressed ? longest : maxMessageSize)) return fail(1009);
    if (payloads.length + 1 - Number(declared) > maxFragments) return fail(1008);

    payloads.push(payload);
    const isEnd = whole && fin;
    const received = concatBytes(payloads);
    const inflated = isCompressed
      ? inflater.inflate(received, isEnd)
      : { output: received, isCorrupt: false, hasTooManyEnds: false };
    const { output, isCorrupt, hasTooManyEnds } = inflated;
    const codes: number[] = [];
    const { impossibleAt, complete } = readUtf8(type === 1 ? output : new Uint8Array(0));
    if (isCorrupt || impossibleAt !== undefined || (isEnd && !complete)) codes.push(1007);
    if (output.length > maxMessageSize) codes.push(1009);
    if (hasTooManyEnds) codes.push(1008);
    if (codes.length > 0) return fail(...codes);
    if (isEnd) events.push(describeMessage(type === 1 ? "text" : "binary", output));
  }
  return failedAt === undefined ? fail() : fail(1002);
}
