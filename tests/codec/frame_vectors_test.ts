import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type Frame, FrameEncoder, Opcode, type Role } from "../../src/codec/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import {
  assertFrames,
  assertSameBytes,
  cuttings,
  decodePieces,
  encodePlainly,
  frameOf,
  fromHex,
  KEY_NUMBER,
  peerOf,
  Random,
  ROLES,
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

/** More sequences of frames, each encoded plainly for both roles. */
const OWN_VECTORS: [name: string, frames: Frame[]][] = [
  ["an empty text message", [frameOf(Opcode.Text)]],
  ["an empty binary message", [frameOf(Opcode.Binary)]],
  ["an empty Close", [frameOf(Opcode.Close)]],
  ["a Close with a status", [frameOf(Opcode.Close, fromHex("03e8 62 79 65"))]],
  ["a Ping of 125 bytes", [frameOf(Opcode.Ping, counting(125))]],
  ["the longest 7-bit length", [frameOf(Opcode.Binary, counting(125))]],
  ["the shortest 16-bit length", [frameOf(Opcode.Binary, counting(126))]],
  ["the longest 16-bit length", [frameOf(Opcode.Binary, counting(65535))]],
  ["the shortest 64-bit length", [frameOf(Opcode.Binary, counting(65536))]],
  [
    "control frames between fragments",
    [
      frameOf(Opcode.Text, "a", { fin: false }),
      frameOf(Opcode.Ping, "1"),
      frameOf(Opcode.Continuation, "b", { fin: false }),
      frameOf(Opcode.Pong),
      frameOf(Opcode.Ping, "2"),
      frameOf(Opcode.Continuation, "c"),
      frameOf(Opcode.Text, "d"),
    ],
  ],
  [
    "empty fragments",
    [
      frameOf(Opcode.Binary, "", { fin: false }),
      frameOf(Opcode.Continuation, "", { fin: false }),
      frameOf(Opcode.Continuation),
      frameOf(Opcode.Binary, "", { fin: false }),
      frameOf(Opcode.Continuation, "x"),
    ],
  ],
  [
    "a Close within a message",
    [frameOf(Opcode.Text, "Hel", { fin: false }), frameOf(Opcode.Close, fromHex("03e9"))],
  ],
  [
    "many small frames, then a large one",
    [
      ...Array.from({ length: 300 }, (_, i) => frameOf(Opcode.Text, "x".repeat(i % 7))),
      frameOf(Opcode.Binary, counting(3000)),
    ],
  ],
];

const VECTORS: [name: string, sender: Role, bytes: Uint8Array, frames: Frame[]][] = [
  ...RFC_VECTORS.map(([name, sender, hex, frames]): typeof VECTORS[number] => [
    `${name} (RFC 6455, section 5.7)`,
    sender,
    fromHex(hex),
    frames,
  ]),
  ...[...RFC_VECTORS.map(([name, , , frames]) => [name, frames] as const), ...OWN_VECTORS]
    .flatMap(([name, frames]) =>
      ROLES.map((sender): typeof VECTORS[number] => [
        `${name}, from a ${sender}`,
        sender,
        concatBytes(frames.map((frame) => encodePlainly(sender, frame))),
        frames,
      ])
    ),
];

/** The next frame, begun: its header up to here, and what is missing of it. */
const TRAILERS: [begun: string, rest: string][] = [
  ["8a", "80 01 02 03 04"],
  ["8a 80", "01 02 03 04"],
  ["8a 80 01 02 03", "04"],
];

describe("the vectors, decoded", () => {
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

describe("the vectors, with the next frame behind them", () => {
  for (const [name, sender, bytes, frames] of VECTORS) {
    if (sender === "server") continue;
    it(name, () => {
      for (const [begun, rest] of TRAILERS) {
        const input = concatBytes([bytes, fromHex(begun)]);
        for (const pieces of cuttings(input, new Random(2), 1)) {
          assertFrames(decodePieces("server", pieces).frames, frames);
          const decoded = decodePieces("server", [...pieces, fromHex(rest)]);
          assertFrames(decoded.frames, [...frames, frameOf(Opcode.Pong)]);
        }
      }
    });
  }
});

describe("the vectors, encoded", () => {
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
