/**
 * Masking by the SIMD instructions of WebAssembly, 64 octets at a time. It works on a memory of its
 * own: the payload is copied there and back, which costs less than it saves from some KiB on.
 *
 * @module
 */

/** The module in WebAssembly's binary format, one instruction or declaration a line. */
const MODULE = [
  "00 61 73 6d 01 00 00 00", // "\0asm", version 1
  "01 07 01 60 03 7f 7f 7f 00", // type 0: three i32, no result
  "03 02 01 00", // function 0 is of type 0
  "05 03 01 00 01", // memory 0: one page of 64 KiB
  "07 11 02", // exports:
  "04 6d 61 73 6b 00 00", // "mask", function 0
  "06 6d 65 6d 6f 72 79 02 00", // "memory", memory 0
  "0a 5c 01 5a 01 01 7b", // function 0: mask(start, end, key), with a vector
  "20 02 fd 11 21 03", // vector = the key four times
  "03 40", // do {
  "20 00 20 00 fd 00 04 00 20 03 fd 51 fd 0b 04 00", // memory[start] ^= vector
  "20 00 20 00 fd 00 04 10 20 03 fd 51 fd 0b 04 10", // memory[start + 16] ^= vector
  "20 00 20 00 fd 00 04 20 20 03 fd 51 fd 0b 04 20", // memory[start + 32] ^= vector
  "20 00 20 00 fd 00 04 30 20 03 fd 51 fd 0b 04 30", // memory[start + 48] ^= vector
  "20 00 41 c0 00 6a 22 00", // start += 64
  "20 01 49 0d 00", // } while (start < end)
  "0b 0b",
];

/** What is masked at once; it stays in the processor's first cache. */
const WINDOW_LENGTH = 8192;

// Payloads begin near the beginning of a page, mostly: for many processors it takes several times as
// long to copy between places that lie nearly the same in their pages.
const WINDOW_START = 2048;

interface Simd {
  mask(start: number, end: number, key: number): void;
  window: Uint8Array;
}

/** `null` where the runtime has no WebAssembly, or no memory for it. */
let simd: Simd | null | undefined;

/**
 * Masks `bytes` from `start` to `end` (exclusive) in place.
 *
 * @param key The octets of the masking key, of which the first masks `bytes[start]`, as an integer in
 * little-endian order.
 * @returns `false`, and nothing is done, where the runtime does not let it.
 */
export function maskBySimd(bytes: Uint8Array, key: number, start: number, end: number): boolean {
  if (simd === undefined) simd = createSimd();
  if (simd === null) return false;
  const { window } = simd;
  let i = start;
  for (; i + WINDOW_LENGTH <= end; i += WINDOW_LENGTH) {
    window.set(bytes.subarray(i, i + WINDOW_LENGTH));
    simd.mask(WINDOW_START, WINDOW_START + WINDOW_LENGTH, key);
    bytes.set(window, i);
  }
  const rest = end - i;
  if (rest > 0) {
    window.set(bytes.subarray(i, end));
    simd.mask(WINDOW_START, WINDOW_START + rest, key);
    bytes.set(window.subarray(0, rest), i);
  }
  return true;
}

/** The types of Node and of "es2024" have no `WebAssembly`. */
interface WithWebAssembly {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => {
      readonly exports: { readonly mask: Simd["mask"]; readonly memory: { buffer: ArrayBuffer } };
    };
  };
}

function createSimd(): Simd | null {
  try {
    const octets = MODULE.join(" ").split(" ").map((octet) => parseInt(octet, 16));
    const { WebAssembly: { Instance, Module } } = globalThis as unknown as WithWebAssembly;
    const { mask, memory } = new Instance(new Module(Uint8Array.from(octets))).exports;
    return { mask, window: new Uint8Array(memory.buffer, WINDOW_START, WINDOW_LENGTH) };
  } catch {
    return null;
  }
}
