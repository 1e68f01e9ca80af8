import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { FrameDecoder, FrameEncoder, Opcode } from "../../src/codec/mod.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type LengthForm,
  shortestLengthForm,
} from "../support/reference_frames.ts";
import {
  assertFrames,
  decodePieces,
  frameOf,
  FrameRecorder,
  fromHex,
  KEY,
  ROLES,
  singly,
} from "./support.ts";

/** The header of a binary frame with a length in any form, for `role` to decode. */
function headerOf(role: string, declaredLength: bigint, lengthForm?: LengthForm): Uint8Array {
  const maskingKey = role === "server" ? KEY : undefined;
  return encodeReferenceFrame({ opcode: 2, maskingKey, declaredLength, lengthForm });
}

const LENGTHS = [0, 1, 125, 126, 127, 128, 255, 256, 257, 65534, 65535, 65536, 65537, 70000];

for (const role of ROLES) {
  describe(`a payload length, decoded by a ${role}`, () => {
    for (const length of LENGTHS) {
      it(`of ${length} in its shortest form`, () => {
        const payload = new Uint8Array(length).fill(0x5a);
        const maskingKey = role === "server" ? KEY : undefined;
        const bytes = encodeReferenceFrame({ opcode: 2, maskingKey, payload });
        for (const pieces of [[bytes], [bytes.subarray(0, 3), bytes.subarray(3)], singly(bytes)]) {
          assertFrames(decodePieces(role, pieces).frames, [frameOf(2, payload)]);
        }
      });
    }

    it("in 16 bits fails at its second octet where 7 bits suffice", () => {
      for (let length = 0; length <= 130; length++) {
        const { failedAt, declaredLength } = decodePieces(
          role,
          singly(headerOf(role, BigInt(length), 16)),
        );
        assertEquals(failedAt, length < 126 ? 4 : undefined, `${length}`);
        assertEquals(declaredLength, length < 126 ? undefined : length);
      }
    });

    it("in 64 bits fails at its sixth octet where 16 bits suffice", () => {
      for (const length of [0, 1, 125, 126, 127, 255, 256, 32768, 65534, 65535]) {
        const header = headerOf(role, BigInt(length), 64);
        assertEquals(decodePieces(role, singly(header)).failedAt, 8, `${length}`);
        assertEquals(decodePieces(role, [header]).closeCode, 1002, `${length}`);
      }
    });

    it("in 64 bits fails at its first octet where the top bit is set", () => {
      for (let octet = 0x80; octet <= 0xff; octet++) {
        const header = headerOf(role, BigInt(octet) << 56n, 64);
        assertEquals(decodePieces(role, singly(header)).failedAt, 3);
      }
    });

    it("in 64 bits is known at its last octet, and not before", () => {
      for (let bit = 16n; bit < 63n; bit++) {
        for (const length of [1n << bit, (1n << bit) + 1n, (1n << (bit + 1n)) - 1n]) {
          const octets = singly(headerOf(role, length)).slice(0, 10);
          assertEquals(decodePieces(role, octets.slice(0, -1)).declaredLength, undefined);
          assertEquals(decodePieces(role, octets).declaredLength, Number(length));
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
      const header = headerOf(role, (1n << 63n) - 1n);
      decoder.decode(header);
      const key = role === "server" ? KEY : fromHex("00 00 00 00");
      const masked = payload.map((byte, i) => byte ^ key[i % 4]);
      for (const piece of [masked.subarray(0, 333), masked.subarray(333)]) decoder.decode(piece);
      assertEquals(found, [...payload]);
      assertEquals(recorder.declaredLength, 2 ** 63);
    });
  });

  describe(`a payload length, encoded by a ${role}`, () => {
    it("has its shortest form", () => {
      for (const length of LENGTHS) {
        const encoder = new FrameEncoder(role);
        encoder.encode(true, false, Opcode.Binary, new Uint8Array(length));
        const bytes = concatBytes(encoder.take());
        const form = shortestLengthForm(BigInt(length));
        const shortLength = form === 7 ? length : form === 16 ? 126 : 127;
        assertEquals(bytes[1], (role === "client" ? 0x80 : 0) + shortLength);
      }
    });
  });
}
