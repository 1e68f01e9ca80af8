/** What the deflater gives, read by the reference. */

import { resolveCompressionOptions } from "../../src/extensions/compression_options.ts";
import { DeflatePool } from "../../src/extensions/deflate_pool.ts";
import { MessageDeflater } from "../../src/extensions/message_deflater.ts";
import { Random, sameBytes, toHex } from "../codec/support.ts";
import { CountedStreams } from "../extensions/counted_streams.ts";
import { ReferenceInflater } from "../extensions/reference_inflater.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { check, type Target } from "./target.ts";

/** A deflater, and what decides what it is given. */
export interface DeflaterInput {
  windowBits: number;
  memoryLevel: number;
  level: number;
  keepsWindow: boolean;
  messages: number;
  seed: number;
}

const encoder = new TextEncoder();
const streams = await CountedStreams.load();
/** The pools by their settings: they are shared, as those of a server are. */
const pools = new Map<string, DeflatePool>();

function poolOf({ memoryLevel, level }: DeflaterInput): DeflatePool {
  const key = `${memoryLevel} ${level}`;
  let pool = pools.get(key);
  if (pool === undefined) {
    const settings = resolveCompressionOptions({ memoryLevel, level })!;
    pools.set(key, pool = new DeflatePool(streams, settings));
  }
  return pool;
}

function makeMessage(random: Random): Uint8Array {
  const isLarge = random.below(40) === 0;
  const size = isLarge ? random.pick([16_384, 65_535, 65_536, 70_000]) : random.below(700);
  switch (random.below(4)) {
    case 0:
      return random.bytes(size);
    case 1:
      return new Uint8Array(size).fill(random.below(256));
    case 2: {
      // What it can find again at the border of its window, and behind it.
      const distance = random.pick([250, 256, 506, 512, 1018, 1024, 2048]) + random.below(3) - 1;
      const bytes = random.bytes(distance);
      return concatBytes([bytes, bytes]);
    }
    default: {
      const words = ["compress", "deflate", "window", "é€😀", " ", "\n"];
      let text = "";
      while (text.length < size) text += random.pick(words);
      return encoder.encode(text);
    }
  }
}

export const DEFLATERS: Target<DeflaterInput> = {
  make: (random) => ({
    windowBits: 9 + random.below(7),
    memoryLevel: 1 + random.below(9),
    level: random.pick([0, 1, 3, 6, 9]),
    keepsWindow: random.below(2) === 0,
    messages: 1 + random.below(6),
    seed: random.below(2 ** 31),
  }),

  check(input) {
    const { windowBits, keepsWindow } = input;
    const random = new Random(input.seed);
    const pool = poolOf(input);
    const deflater = new MessageDeflater(pool, windowBits, keepsWindow);
    // Another connection with the same settings, which sends in between.
    const other = new MessageDeflater(pool, windowBits, false);
    const inflater = new ReferenceInflater(keepsWindow, windowBits);
    let last: string | Uint8Array = "";
    for (let i = 0; i < input.messages; i++) {
      const payloads: Uint8Array[] = [];
      let expected: Uint8Array;
      if (random.below(3) === 0) {
        const bytes = makeMessage(random);
        expected = bytes.slice();
        const fragments = [...random.cut(bytes, 4 + bytes.length), new Uint8Array(0)];
        fragments.forEach((fragment, k) => {
          payloads.push(deflater.deflateFragment(fragment, k === fragments.length - 1).slice());
          if (random.below(4) === 0) other.deflateMessage(last);
          // What was given is not needed any more.
          fragment.fill(0x55);
        });
      } else {
        // Some messages are sent twice, and some are changed in between.
        if (random.below(4) > 0) {
          last = makeMessage(random);
          if (random.below(2) === 0) last = new TextDecoder().decode(last);
        } else if (typeof last !== "string" && random.below(2) === 0 && last.length > 0) {
          last[random.below(last.length)] ^= 1;
        }
        expected = typeof last === "string" ? encoder.encode(last) : last.slice();
        if (random.below(4) === 0) other.deflateMessage(last);
        payloads.push(deflater.deflateMessage(last).slice());
      }
      const { output, isCorrupt } = inflater.inflate(concatBytes(payloads), true);
      check(
        !isCorrupt && sameBytes(output, expected),
        () => `message ${i}: ${toHex(output).slice(0, 500)}, ${JSON.stringify(input)}`,
      );
      check(payloads.length > 1 || payloads[0].length > 0, () => "an empty payload");
    }
    deflater.close();
    other.close();
    check(streams.live <= 4 * 7 * pools.size, () => `${streams.live} streams are left`);
    return keepsWindow ? "window kept" : "no window";
  },
};
