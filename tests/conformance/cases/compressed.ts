/**
 * What the cases with compression have in common: messages as a client sends them that has agreed
 * upon permessage-deflate.
 *
 * @module
 */

import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import type { Negotiation } from "../agreement.ts";
import { type CaseInit, type Expected, frame, passing, type Step, toBytes } from "../case.ts";
import type { Compression } from "../compression.ts";

/** RSV1: the message is compressed (RFC 7692, section 6). */
export const RSV1 = 4;

/** Frames the payload of a compressed message: RSV1 is set on the first frame alone. */
export function compressedFrames(
  opcode: number,
  payload: Uint8Array,
  fragmentSize: number = Infinity,
): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let start = 0; start === 0 || start < payload.length; start += fragmentSize) {
    const isFirst = start === 0;
    frames.push(
      frame(
        isFirst ? opcode : REFERENCE_OPCODES.continuation,
        payload.subarray(start, start + fragmentSize),
        { rsv: isFirst ? RSV1 : 0, fin: start + fragmentSize >= payload.length },
      ),
    );
  }
  return frames;
}

/** Compresses a message as agreed upon, and frames it. */
export async function compressed(
  compression: Compression,
  { type, payload }: Pick<Expected, "type" | "payload">,
  fragmentSize?: number,
): Promise<Uint8Array[]> {
  const opcode = type === "text" ? REFERENCE_OPCODES.text : REFERENCE_OPCODES.binary;
  return compressedFrames(opcode, await compression.deflate(payload), fragmentSize);
}

/** Makes a case that negotiates, and goes well. */
export function agreeing(
  name: string,
  negotiation: Negotiation,
  steps: (compression: Compression) => Step[] | Promise<Step[]>,
  flags: Pick<CaseInit, "heavy" | "needsLimit"> = {},
): CaseInit {
  return passing(name, steps, { negotiation, ...flags });
}

/** A compressed text, of payload bytes as they are. */
export function compressedText(payload: string | Uint8Array): Uint8Array {
  return frame(REFERENCE_OPCODES.text, toBytes(payload), { rsv: RSV1 });
}
