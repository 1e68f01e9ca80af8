/**
 * What `node:buffer` does faster than portable code, on all three runtimes.
 *
 * @module
 */

import { Buffer, isUtf8 } from "node:buffer";
import { useNative } from "../../codec/native.ts";

function allocate(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

// Deno's allocates zeroed memory, as `Uint8Array` does.
useNative({ isUtf8, allocate: "Deno" in globalThis ? undefined : allocate });
