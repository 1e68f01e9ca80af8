/**
 * Masking by SIMD instructions of WebAssembly (`mask_simd.wat`). They need the payload in a memory of their own: the
 * copies cost less than SIMD saves from some KiB on. So the module is loaded apart from what small messages need, and
 * makes itself known to `mask.ts`.
 *
 * @module
 */

import { useSimd } from "./mask.ts";
import { MASK_WASM } from "./mask_wasm.ts";
import { instantiate, type WasmMemory } from "./wasm.ts";

/** How many octets are copied and masked at once: few enough to stay in the processor's first cache. */
const WINDOW_LENGTH = 8192;

// Most payloads begin near the beginning of a page, and many processors copy several times slower between
// addresses that are nearly equal modulo the size of a page.
const WINDOW_START = 2048;

interface Exports extends WasmMemory {
  mask(start: number, end: number, key: number): void;
}

interface Simd extends Pick<Exports, "mask"> {
  window: Uint8Array;
}

/** Created on first use; `null` if the runtime has no WebAssembly with SIMD, or no memory for it. */
let simd: Simd | null | undefined;

/**
 * Masks `bytes` from `start` to `end` (exclusive) in place: the most significant octet of `key` masks
 * `bytes[start]` (section 5.3). Returns `false` if the runtime can't.
 */
export function maskBySimd(bytes: Uint8Array, key: number, start: number, end: number): boolean {
  if (simd === undefined) simd = createSimd();
  if (simd === null) return false;
  const { window } = simd;
  // WebAssembly is little-endian.
  const word = swapOctets(key);
  let i = start;
  for (; i + WINDOW_LENGTH <= end; i += WINDOW_LENGTH) {
    window.set(bytes.subarray(i, i + WINDOW_LENGTH));
    simd.mask(WINDOW_START, WINDOW_START + WINDOW_LENGTH, word);
    bytes.set(window, i);
  }
  const rest = end - i;
  if (rest > 0) {
    window.set(bytes.subarray(i, end));
    simd.mask(WINDOW_START, WINDOW_START + rest, word);
    bytes.set(window.subarray(0, rest), i);
  }
  return true;
}

function createSimd(): Simd | null {
  const exports = instantiate<Exports>(MASK_WASM);
  if (exports === null) return null;
  const { mask, memory } = exports;
  return { mask, window: new Uint8Array(memory.buffer, WINDOW_START, WINDOW_LENGTH) };
}

/** Reverses the octets of a 32-bit integer. */
function swapOctets(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

useSimd(maskBySimd);
