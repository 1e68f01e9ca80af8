/**
 * Validating UTF-8 by the SIMD instructions of WebAssembly (`utf8.wat`): for text of several scripts Deno's own
 * `isUtf8` takes ten times as long.
 *
 * @module
 */

import { native, useNative } from "../../codec/native.ts";
import { findWholeEnd } from "../../codec/utf8.ts";
import { instantiate, type WasmMemory } from "../../codec/wasm.ts";
import "../shared/native.ts";
import { UTF8_WASM } from "./utf8_wasm.ts";

/** How many octets are copied and validated at once: few enough to stay in the processor's first cache. */
const WINDOW_LENGTH = 8192;

/** What is validated at once. */
const BLOCK_LENGTH = 16;

// Not at the beginning of a page, for the reason that `mask_simd.ts` has.
const WINDOW_START = 2048;

interface Exports extends WasmMemory {
  findErrors(start: number, end: number): number;
}

const exports = instantiate<Exports>(UTF8_WASM);
if (exports !== null) {
  const { findErrors } = exports;
  const window = new Uint8Array(exports.memory.buffer, WINDOW_START, WINDOW_LENGTH + BLOCK_LENGTH);
  const isUtf8 = (bytes: Uint8Array): boolean => {
    const { length } = bytes;
    for (let start = 0, end; start < length; start = end) {
      end = Math.min(start + WINDOW_LENGTH, length);
      if (end < length) end = findWholeEnd(bytes, end);
      const size = end - start;
      window.set(bytes.subarray(start, end));
      // Behind an end in the middle of a character, this is an error.
      window.fill(0, size, size + BLOCK_LENGTH);
      if (findErrors(WINDOW_START, WINDOW_START + size + 1) !== 0) return false;
    }
    return true;
  };
  useNative({ ...native, isUtf8 });
}
