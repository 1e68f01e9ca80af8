/**
 * What `node:buffer` does faster than portable code, on all three runtimes.
 *
 * @module
 */

import { Buffer, isUtf8 } from "node:buffer";
import { useNative } from "../../codec/native.ts";

const encoder = new TextEncoder();

// Deno's `Buffer` has zeroed memory, as `Uint8Array` does, and its `encode` is slow.
useNative(
  "Deno" in globalThis ? { isUtf8 } : {
    isUtf8,
    encode: (text) => encoder.encode(text),
    allocate: (length) => new Uint8Array(Buffer.allocUnsafeSlow(length).buffer),
  },
);
