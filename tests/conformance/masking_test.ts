import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import {
  concatBytes,
  decodeReferenceFrame,
  encodeReferenceFrame,
} from "../support/reference_frames.ts";
import { apart, chopped, type SendStep, together } from "./case.ts";
import { exchangeMasking } from "./masking.ts";

const maskingKey = Uint8Array.of(1, 2, 253, 254);
const payloadOf = (length: number) => Uint8Array.from({ length }, (_, i) => i * 7);
const LENGTHS = [0, 1, 2, 125, 126, 300, 65535, 65536];

/** What steps send, of whatever many. */
function sentBy(steps: SendStep[]): Uint8Array {
  return concatBytes(exchangeMasking(steps).flatMap((step) => [...(step as SendStep).writes]));
}

describe("frames for the other side", () => {
  const masked = LENGTHS.map((length) =>
    encodeReferenceFrame({ opcode: 2, maskingKey, payload: payloadOf(length) })
  );
  const plain = LENGTHS.map((length) =>
    encodeReferenceFrame({ opcode: 2, payload: payloadOf(length) })
  );

  it("are not masked where they were, however they are cut", () => {
    for (const steps of [[together(...masked)], [apart(...masked)], masked.map((m) => apart(m))]) {
      assertEquals(sentBy(steps), concatBytes(plain));
    }
    const small = masked.slice(0, 6);
    for (const size of [1, 2, 3, 7]) {
      assertEquals(sentBy([chopped(size, ...small)]), concatBytes(plain.slice(0, 6)));
    }
  });

  it("are masked where they were not", () => {
    const bytes = sentBy([chopped(3, ...plain.slice(0, 6))]);
    let start = 0;
    for (const length of LENGTHS.slice(0, 6)) {
      const found = decodeReferenceFrame(bytes, start)!;
      assertEquals(found.frame.maskingKey !== undefined, true);
      assertEquals(found.frame.payload, payloadOf(length));
      start = found.end;
    }
    assertEquals(start, bytes.length);
  });

  it("keep a length that is wrong, or a lie, and all before it", () => {
    for (const declaredLength of [5n, 126n, (1n << 64n) - 1n]) {
      for (const lengthForm of [16, 64] as const) {
        const init = { opcode: 9, rsv: 3, fin: false, payload: payloadOf(4) };
        const wrong = { ...init, declaredLength, lengthForm };
        assertEquals(
          sentBy([chopped(1, encodeReferenceFrame({ ...wrong, maskingKey }))]),
          encodeReferenceFrame(wrong),
        );
      }
    }
    const half = encodeReferenceFrame({ opcode: 1, maskingKey, payload: payloadOf(9) });
    assertEquals(sentBy([together(half.subarray(0, 1))]), half.subarray(0, 1));
    assertEquals(sentBy([together(half.subarray(0, 5))]), Uint8Array.of(0x81, 9));
  });
});
