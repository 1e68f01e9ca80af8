import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { FrameDecoder, FrameEncoder, Opcode } from "../../src/codec/mod.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type LengthForm,
  shortestLengthForm,
} from "../support/reference_frames.ts";
import { readStream } from "./reference_stream.ts";
import { decodePieces, FrameRecorder, fromHex, KEY, ROLES, singly } from "./support.ts";

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
