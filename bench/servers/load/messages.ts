/**
 * What connections send: messages that were made before, one after the other, and again.
 *
 * @module
 */

import { constants, deflateRawSync } from "node:zlib";
import type { Workload } from "../workloads.ts";
import { createPayload, encodeClientFrame } from "./client_frame.ts";

const MASKING_KEY = 0x37fa213d;

/** What the end of a block that was flushed is: it is left out (RFC 7692, section 7.2.1). */
const TAIL_LENGTH = 4;

/**
 * How much there is before messages come again: four times the largest window, so that none is found
 * in it, and so many that nobody who remembers some has the next one.
 */
const MIN_VARIETY = 128 * 1024;
const MIN_COMPRESSED_COUNT = 64;

/** Messages, and their frames. */
export interface Messages {
  /** The payloads, before they are compressed; behind the last comes the first again. */
  payloads: Uint8Array[];
  /** The lengths of their frames. */
  frameSizes: number[];
  /** The length of all of their frames. */
  period: number;
  /** Their frames behind one another, and then the first ones again, so that writes are whole. */
  frames: Uint8Array;
}

/** Makes the messages of a workload: one, or many where what came before makes a difference. */
export function createMessages(workload: Workload): Messages {
  const { payload: kind, size, compression, inFlight } = workload;
  const count = compression === undefined
    ? 1
    : Math.max(MIN_COMPRESSED_COUNT, Math.ceil(MIN_VARIETY / size));
  const payloads = Array.from({ length: count }, (_, i) => createPayload(kind, size, i + 1));
  const opcode = opcodeOf(workload);
  const frames = payloads.map((payload) =>
    compression === undefined
      ? encodeClientFrame(opcode, payload, MASKING_KEY)
      : encodeClientFrame(opcode, compress(payload), MASKING_KEY, true)
  );
  const frameSizes = frames.map(({ length }) => length);
  const period = frameSizes.reduce((a, b) => a + b, 0);
  const again = Array.from({ length: Math.max(inFlight - 1, 0) }, (_, i) => frames[i % count]);
  return { payloads, frameSizes, period, frames: concatenate([...frames, ...again]) };
}

/** The opcode of a workload's messages. */
export function opcodeOf({ payload }: Workload): number {
  return payload === "binary" ? 0x2 : 0x1;
}

/** Compresses a message by itself, which suits with and without takeover. */
function compress(payload: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH });
  return deflated.subarray(0, deflated.length - TAIL_LENGTH);
}

function concatenate(pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
