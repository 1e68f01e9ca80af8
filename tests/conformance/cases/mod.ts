/**
 * The conformance cases. They cover what the sections of the Autobahn test-suite cover, under the
 * same section numbers, and are written from the RFC.
 *
 * @module
 */

import type { Section } from "../case.ts";
import { autoFragmentation } from "./auto_fragmentation.ts";
import { closing } from "./close.ts";
import { compression } from "./compression.ts";
import { compressionFrames } from "./compression_frames.ts";
import { compressionOffers } from "./compression_offers.ts";
import { fragmentation } from "./fragmentation.ts";
import { framing } from "./framing.ts";
import { limits } from "./limits.ts";
import { opcodes } from "./opcodes.ts";
import { pingPong } from "./ping_pong.ts";
import { reservedBits } from "./reserved_bits.ts";
import { utf8 } from "./utf8.ts";

export const SECTIONS: readonly Section[] = [
  framing,
  pingPong,
  reservedBits,
  opcodes,
  fragmentation,
  utf8,
  closing,
  limits,
  autoFragmentation,
];

/** The cases with compression: for servers that agree to permessage-deflate. */
export const COMPRESSION_SECTIONS: readonly Section[] = [
  compression,
  compressionOffers,
  compressionFrames,
];
