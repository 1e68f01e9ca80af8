import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type Frame, FrameEncoder, Opcode, type Role } from "../../src/codec/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import {
  assertFrames,
  assertSameBytes,
  cuttings,
  decodePieces,
  frameOf,
  fromHex,
  KEY_NUMBER,
  peerOf,
  Random,
  toHex,
} from "./support.ts";

/** Bytes 0 to 255, over and over. */
function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

/** The examples of RFC 6455, section 5.7, word by word; the key is the RFC's. */
const RFC_VECTORS: [name: string, sender: Role, hex: string, frames: Frame[]][] = [
  [
    "a single-frame unmasked text message",
    "server",
    "81 05 48 65 6c 6c 6f",
    [frameOf(Opcode.Text, "Hello")],
  ],
  [
    "a single-frame masked text message",
    "client",
    "81 85 37 fa 21 3d 7f 9f 4d 51 58",
    [frameOf(Opcode.Text, "Hello")],
  ],
  [
    "a fragmented unmasked text message",
    "server",
    "01 03 48 65 6c 80 02 6c 6f",
    [frameOf(Opcode.Text, "Hel", { fin: false }), frameOf(Opcode.Continuation, "lo")],
  ],
  [
    "an unmasked Ping request",
    "server",
    "89 05 48 65 6c 6c 6f",
    [frameOf(Opcode.Ping, "Hello")],
  ],
  [
    "a masked Ping response",
    "client",
    "8a 85 37 fa 21 3d 7f 9f 4d 51 58",
    [frameOf(Opcode.Pong, "Hello")],
  ],
  [
    "256 bytes of binary in one unmasked frame",
    "server",
    `82 7e 01 00 ${toHex(counting(256))}`,
    [frameOf(Opcode.Binary, counting(256))],
  ],
  [
    "64 KiB of binary in one unmasked frame",
    "server",
    `82 7f 00 00 00 00 00 01 00 00 ${toHex(counting(65536))}`,
    [frameOf(Opcode.Binary, counting(65536))],
  ],
];

const VECTORS = RFC_VECTORS.map(([name, sender, hex, frames]) =>
  [name, sender, fromHex(hex), frames] as const
);

describe("the examples of RFC 6455, section 5.7, decoded", () => {
  for (const [name, sender, bytes, frames] of VECTORS) {
    it(name, () => {
      for (const pieces of cuttings(bytes, new Random(1))) {
        const decoded = decodePieces(peerOf(sender), pieces);
        assertEquals(decoded.closeCode, undefined);
        assertEquals(decoded.declaredLength, undefined);
        assertFrames(decoded.frames, frames);
      }
    });
  }
});

describe("the examples of RFC 6455, section 5.7, encoded", () => {
  for (const [name, sender, bytes, frames] of VECTORS) {
    it(name, () => {
      const encoder = new FrameEncoder(sender, { maskingKey: () => KEY_NUMBER });
      for (const { fin, rsv1, opcode, payload } of frames) {
        encoder.encode(fin, rsv1, opcode, payload);
      }
      assertEquals(encoder.byteLength, bytes.length);
      assertSameBytes(concatBytes(encoder.take()), bytes);
    });
  }
});
