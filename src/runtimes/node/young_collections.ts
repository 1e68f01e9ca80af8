/**
 * Has V8 collect its young generation in time. Large messages lie outside of V8's heap, and much memory there is
 * answered by collecting the young generation, which is quick, or all of the heap. Since V8 14 both are due at
 * the same 64 MiB, and mostly the slow one comes first. A full young generation is collected too: so each large
 * message fills it a little, as long as many of them come quickly.
 */

import { getHeapSpaceStatistics } from "node:v8";
import { native, useNative } from "../../codec/native.ts";
import { monotonicNow } from "../../timers.ts";

/** After how many bytes of messages the young generation is to be collected. */
const CYCLE_SIZE = 16 * 1024 * 1024;
/** Small enough for V8 to allocate it with others, in the young generation. */
const ELEMENTS = 4096;
const ARRAY_SIZE = ELEMENTS * 8;

/**
 * If so many bytes take longer, in milliseconds, they are left to V8: a full collection comes at most about once a
 * second then, and a young generation that is filled takes more memory.
 */
const MAX_CYCLE_MS = 250;
/** After how many quick cycles in a row it begins: V8 does without for less. */
const MIN_CYCLES = 4;

/** How many bytes of messages come before the next look at the size of the young generation, which may grow. */
let untilLook = 0;
/** When that look was taken last, in milliseconds. */
let lookedAt = -Infinity;
/** How many cycles in a row were quick. */
let quickCycles = 0;
/** The bytes of garbage for each byte of a message. */
let ratio = 0;
/** The bytes of garbage that are due. */
let due = 0;
const garbage: { last: unknown } = { last: undefined };

function makeGarbage(length: number): void {
  garbage.last = undefined;
  untilLook -= length;
  if (untilLook < 0) {
    untilLook = CYCLE_SIZE;
    const now = monotonicNow();
    quickCycles = now - lookedAt < MAX_CYCLE_MS ? quickCycles + 1 : 0;
    lookedAt = now;
    ratio = quickCycles < MIN_CYCLES ? 0 : chooseRatio();
  }
  for (due += length * ratio; due >= ARRAY_SIZE; due -= ARRAY_SIZE) {
    // What is in use when the young generation is collected lets it grow.
    garbage.last = undefined;
    garbage.last = new Array(ELEMENTS);
  }
}

/** Chooses the ratio that fills the young generation once a cycle, whatever its size is by now. */
function chooseRatio(): number {
  const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
  const size = young === undefined ? 0 : young.space_used_size + young.space_available_size;
  return Math.min(1, size / CYCLE_SIZE);
}

const { allocate, encode } = native;
if (allocate !== undefined && encode !== undefined && !("Bun" in globalThis)) {
  useNative({
    ...native,
    allocate(length) {
      makeGarbage(length);
      return allocate(length);
    },
    encode(text) {
      makeGarbage(text.length);
      return encode(text);
    },
  });
}
