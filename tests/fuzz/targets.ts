/** What there is to be fuzzed. Each call is one execution; it throws where something is wrong. */

import { Random, ROLES } from "../codec/support.ts";
import { fuzzClosePayload } from "./close_payloads.ts";
import { fuzzExtensions } from "./extensions.ts";
import { fuzzFrameNoise, fuzzFrameStream } from "./frame_streams.ts";
import { fuzzHeadNoise, fuzzRequestHead } from "./request_heads.ts";
import { fuzzUtf8 } from "./utf8.ts";

/** The targets by their names. An execution is made by a seed alone, so that it can be repeated. */
export const TARGETS: Record<string, (seed: number) => void> = {
  "request head": (seed) => {
    const random = new Random(seed);
    if (random.below(8) === 0) fuzzHeadNoise(() => random.next());
    else fuzzRequestHead(() => random.next());
  },
  "frame stream": (seed) => {
    const random = new Random(seed);
    const role = random.pick(ROLES);
    if (random.below(8) === 0) fuzzFrameNoise(random, role);
    else fuzzFrameStream(random, role, random.below(2) === 0);
  },
  "UTF-8": (seed) => void fuzzUtf8(new Random(seed)),
  "close payload": (seed) => void fuzzClosePayload(new Random(seed)),
  "extensions": (seed) => {
    const random = new Random(seed);
    fuzzExtensions(() => random.next());
  },
};
