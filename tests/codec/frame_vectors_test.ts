// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type Frame, FrameDecoder, FrameEncoder, Opcode, type Role } from "../../src/codec/mod.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type LengthForm,
  shortestLengthForm,
} from "../support/reference_frames.ts";
import {
  assertFrames,
  assertSameBytes,
  cuttings,
  decodePieces,
  frameOf,
  FrameRecorder,
  fromHex,
  KEY,
  KEY_NUMBER,
  peerOf,
  Random,
  ROLES,
  singly,
  toHex,
} from "./support.ts";
import { readStream } from "./reference_stream.ts";

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

/** The header of a binary frame with a length in any form, for `role` to decode. */
function headerOf(role: string, declaredLength: bigint, lengthForm?: LengthForm): Uint8Array {
  const maskingKey = role === "server" ? KEY : undefined;
  return encodeReferenceFrame({ opcode: 2, maskingKey, declaredLength, lengthForm });
}

/** Every power of 2 and its neighbours, and the first lengths. */
const LENGTHS = [
  ...Array.from({ length: 131 }, (_, length) => BigInt(length)),
  ...Array.from({ length: 57 }, (_, i) => [-1n, 0n, 1n].map((more) => (128n << BigInt(i)) + more)),
].flat();

for (const role of ROLES) {
  describe(`a payload length, decoded by a ${role}`, () => {
    it("is known at its last octet in its shortest form, and refused at once in others", () => {
      for (const length of LENGTHS) {
        for (const form of [7, 16, 64] as const) {
          if (length >= (form === 7 ? 126n : 1n << BigInt(form))) continue;
          const header = headerOf(role, length, form);
          const { frames, failedAt } = readStream(header, { masked: role === "server" });
          const isShortest = form === shortestLengthForm(length) && length < 1n << 63n;
          assertEquals(failedAt === undefined, isShortest, `${length} in ${form} bits`);
          const decoded = decodePieces(role, singly(header));
          assertEquals(decoded.failedAt, failedAt, `${length} in ${form} bits`);
          if (length === 0n) continue;
          assertEquals(decoded.declaredLength, isShortest ? Number(length) : undefined);
          const lengthEnd = frames[0]?.lengthEnd ?? header.length;
          const before = decodePieces(role, singly(header).slice(0, lengthEnd - 1));
          assertEquals(before.declaredLength, undefined);
          assertEquals(decodePieces(role, [header]).closeCode, isShortest ? undefined : 1002);
        }
      }
    });

    it("beyond 2^53 lets the payload come", () => {
      const payload = new Uint8Array(1000).fill(7);
      const found: number[] = [];
      const recorder = new FrameRecorder();
      const decoder = new FrameDecoder(role, {
        receiveFrame: () => {},
        receiveFrameEnd: () => {},
        receiveFrameStart: recorder.receiveFrameStart.bind(recorder),
        receiveFramePayload: (bytes, start, end) => found.push(...bytes.subarray(start, end)),
      });
      const key = role === "server" ? KEY : fromHex("00 00 00 00");
      const masked = payload.map((byte, i) => byte ^ key[i % 4]);
      const pieces = [masked.subarray(0, 333), masked.subarray(333)];
      for (const piece of [headerOf(role, (1n << 63n) - 1n), ...pieces]) decoder.decode(piece);
      assertEquals([found, recorder.declaredLength], [[...payload], 2 ** 63]);
    });
  });

  it(`a payload length, encoded by a ${role}, has its shortest form`, () => {
    for (const length of [0, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 70000]) {
      const encoder = new FrameEncoder(role);
      encoder.encode(true, false, Opcode.Binary, new Uint8Array(length));
      const form = shortestLengthForm(BigInt(length));
      const shortLength = form === 7 ? length : form === 16 ? 126 : 127;
      const [, second] = concatBytes(encoder.take());
      assertEquals(second, (role === "client" ? 0x80 : 0) + shortLength);
    }
  });
}
