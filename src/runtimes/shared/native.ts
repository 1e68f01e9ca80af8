import { Buffer, isUtf8 } from "node:buffer";
import { useNative } from "../../codec/native.ts";

const encoder = new TextEncoder();

// What `node:buffer` does faster than portable code. Deno's `Buffer` has zeroed memory, as `Uint8Array` does, and
// its `encode` is slow.
useNative(
  "Deno" in globalThis ? { isUtf8 } : {
    isUtf8,
    encode: (text) => encoder.encode(text),
    allocate: (length) => new Uint8Array(Buffer.allocUnsafeSlow(length).buffer),
  },
);
