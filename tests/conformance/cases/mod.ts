/**
 * The conformance cases. They cover what the sections of the Autobahn test-suite cover, under the
 * same section numbers, and are written from the RFC.
 *
 * @module
 */

import { playsAll } from "../../support/plays_all.ts";
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

/**
 * What is played for a style of program. Iteration and streams get messages as a callback does, whole: of
 * what is in a text, of compression, and of what takes long, they have nothing to tell, and of the rest
 * the same on all runtimes.
 */
export function sectionsFor(style: string, sections: readonly Section[]): readonly Section[] {
  if (style !== "iterate" && style !== "streams") return sections;
  if (!playsAll) return [];
  return withoutHeavy(sections.filter((section) => SECTIONS.includes(section) && section !== utf8));
}

/** Leaves out the cases that take long. */
export function withoutHeavy(sections: readonly Section[]): readonly Section[] {
  return sections.map(({ name, cases }) => ({ name, cases: cases.filter(({ heavy }) => !heavy) }));
}

/** The cases with compression: for servers that agree to permessage-deflate. */
export const COMPRESSION_SECTIONS: readonly Section[] = [
  compression,
  compressionOffers,
  compressionFrames,
];
