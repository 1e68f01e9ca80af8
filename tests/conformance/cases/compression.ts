/**
 * Section 12: compressed messages of many kinds and sizes, whole and in fragments, on a connection
 * that has agreed upon permessage-deflate (RFC 7692, sections 6 and 7.2).
 *
 * @module
 */

import { deflateAlone } from "../../support/reference_deflate.ts";
import { offering } from "../agreement.ts";
import {
  apart,
  type CaseInit,
  expect,
  type Expected,
  group,
  nothingElse,
  type Section,
  type Step,
  together,
} from "../case.ts";
import { agreeing, compressed } from "./compressed.ts";
import { type Content, CONTENTS, takeMessages } from "./compression_data.ts";

const KiB = 1024;
/** The sizes of messages, and of their fragments. */
const SIZES: readonly [size: number, fragmentSize?: number][] = [
  [16],
  [64],
  [256],
  [KiB],
  [4 * KiB],
  [8 * KiB],
  [16 * KiB],
  [32 * KiB],
  [64 * KiB],
  [128 * KiB],
  [8 * KiB, 256],
  [16 * KiB, 256],
  [32 * KiB, 256],
  [64 * KiB, 256],
  [128 * KiB, 256],
  [128 * KiB, KiB],
  [128 * KiB, 4 * KiB],
  [128 * KiB, 32 * KiB],
];

/** How much a case sends, at least two messages. */
const TOTAL = 64 * KiB;
const MAX_COUNT = 16;

/** What most clients offer. */
const ANY = offering({ clientMaxWindowBits: true });

/** What a message may take on the wire when it comes back. */
function echoOf({ type, ratio }: Content, payload: Uint8Array): Expected {
  // Small ones may come back as they are.
  const maxWireSize = payload.length < KiB ? 2 * payload.length + 16 : ratio * payload.length;
  return { type, payload, maxWireSize };
}

function sizesOf(content: Content): CaseInit[] {
  return SIZES.map(([size, fragmentSize]) => {
    const count = Math.min(MAX_COUNT, Math.max(2, Math.floor(TOTAL / size)));
    const inFragments = fragmentSize === undefined ? "" : ` in fragments of ${fragmentSize}`;
    return agreeing(
      `${count} messages of ${content.name} of ${size} bytes${inFragments}`,
      ANY,
      async (compression) => {
        const steps: Step[] = [];
        for (const payload of takeMessages(content, size, count)) {
          const echo = echoOf(content, payload);
          const frames = await compressed(compression, echo, fragmentSize);
          steps.push(together(...frames), expect(echo));
        }
        return [...steps, ...nothingElse()];
      },
    );
  });
}

const [JSON_CONTENT] = CONTENTS;

const inTurn: CaseInit[] = [
  agreeing("messages of all kinds and sizes, sent at once", ANY, async (compression) => {
    const echoes = [300, 20, 5000, 1, 40_000, 0, 1024].flatMap((size) =>
      CONTENTS.map((content) => echoOf(content, takeMessages(content, size, 1)[0]))
    );
    const frames: Uint8Array[] = [];
    for (const echo of echoes) frames.push(...await compressed(compression, echo, 7000));
    return [together(...frames), expect(...echoes), ...nothingElse()];
  }),
  ...CONTENTS.map((content) =>
    agreeing(`${content.name}, again and again the same`, ANY, async (compression) => {
      const { serverNoContextTakeover } = compression.parameters;
      const steps: Step[] = [];
      const [payload] = takeMessages(content, 4000, 1);
      for (let i = 0; i < 6; i++) {
        const echo = echoOf(content, payload);
        // A window that is kept has all of it. How much of that is found again is up to the server.
        if (i > 0 && !serverNoContextTakeover) {
          echo.maxWireSize = Math.floor(0.9 * deflateAlone(payload).length);
        }
        steps.push(together(...await compressed(compression, echo)), expect(echo));
      }
      return [...steps, ...nothingElse()];
    })
  ),
  agreeing("60 messages that resemble each other, without waiting", ANY, async (compression) => {
    const echoes = takeMessages(JSON_CONTENT, 700, 60).map((bytes) => echoOf(JSON_CONTENT, bytes));
    const frames: Uint8Array[] = [];
    for (const echo of echoes) frames.push(...await compressed(compression, echo));
    return [apart(...frames), expect(...echoes), ...nothingElse()];
  }),
];

export const compression: Section = {
  name: "12 Compression",
  cases: [
    ...CONTENTS.flatMap((content, i) => group(`12.${i + 1}`, sizesOf(content))),
    ...group("12.6", inTurn),
  ],
};
