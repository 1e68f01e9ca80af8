// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { maskBySimd } from "../../src/codec/mask_simd.ts";
import { mask } from "../../src/codec/mod.ts";
import { maskReference } from "../support/reference_frames.ts";
import { assertSameBytes, fromHex, Random } from "./support.ts";

function keyOctets(key: number): Uint8Array {
  return Uint8Array.of(key >>> 24, key >>> 16, key >>> 8, key);
}

/** What `mask` must make of `bytes`, where `offset` octets of the payload came before. */
function maskPlainly(bytes: Uint8Array, key: number, offset = 0): Uint8Array {
  const before = new Uint8Array(offset % 4);
  const joined = Uint8Array.from([...before, ...bytes]);
  return maskReference(joined, keyOctets(key)).slice(before.length);
}

describe("mask", () => {
  it("masks the example of RFC 6455, section 5.7", () => {
    const bytes = fromHex("48 65 6c 6c 6f");
    mask(bytes, 0x37fa213d);
    assertSameBytes(bytes, fromHex("7f 9f 4d 51 58"));
  });

  // Around them lie octets that must stay as they are.
  for (let arrayOffset = 0; arrayOffset < 8; arrayOffset++) {
    it(`masks any length from any octet of the key on, at array offset ${arrayOffset}`, () => {
      const random = new Random(arrayOffset);
      for (let length = 0; length <= 300; length++) {
        for (let offset = 0; offset < 4; offset++) {
          const key = random.below(2 ** 32);
          const memory = random.bytes(arrayOffset + length + 8);
          const expected = memory.slice();
          const payload = memory.slice(arrayOffset, arrayOffset + length);
          expected.set(maskPlainly(payload, key, offset), arrayOffset);
          // The place is given by the view, by `start` and `end`, or by both.
          const [viewStart, start] = [[arrayOffset, 0], [0, arrayOffset], [1, arrayOffset - 1]][
            arrayOffset === 0 ? length % 2 : length % 3
          ];
          const view = new Uint8Array(memory.buffer, viewStart);
          mask(view, key, start, start + length, offset);
          assertSameBytes(memory, expected, `length ${length}, offset ${offset}`);
        }
      }
    });
  }

  it("masks long payloads from any octet of the key on, at any array offset", () => {
    const random = new Random(4);
    // Around the lengths where it goes to work in another way, and multiples of 64 and 8192.
    const lengths = [2048, 4095, 4096, 4097, 4159, 4160, 8191, 8192, 8193, 16_384, 20_001, 65_537];
    for (const length of lengths) {
      for (let arrayOffset = 0; arrayOffset < 5; arrayOffset++) {
        const offset = random.below(4);
        const key = random.below(2 ** 32);
        const memory = random.bytes(arrayOffset + length + 80);
        const expected = memory.slice();
        const payload = memory.slice(arrayOffset, arrayOffset + length);
        expected.set(maskPlainly(payload, key, offset), arrayOffset);
        mask(memory, key, arrayOffset, arrayOffset + length, offset);
        assertSameBytes(memory, expected, `length ${length}, offset ${offset}`);
      }
    }
  });

  it("takes offsets far beyond 2^32", () => {
    for (const offset of [2 ** 31, 2 ** 32 + 1, 2 ** 33 + 2, 2 ** 53 - 1]) {
      const bytes = new Uint8Array(10);
      mask(bytes, 0x01020304, 0, 10, offset);
      assertSameBytes(bytes, maskPlainly(new Uint8Array(10), 0x01020304, offset % 4));
    }
  });

  it("takes the key as a signed and as an unsigned integer", () => {
    for (const length of [1, 7, 130, 200]) {
      for (const key of [0x80000000, 0xffffffff, 0xfedcba98, 0x7fffffff, 1]) {
        const [signed, unsigned] = [new Uint8Array(length), new Uint8Array(length)];
        mask(signed, key | 0);
        mask(unsigned, key);
        assertSameBytes(unsigned, maskPlainly(new Uint8Array(length), key));
        assertSameBytes(signed, unsigned);
      }
    }
  });

  it("masks a big buffer", () => {
    const bytes = new Uint8Array(8 * 1024 * 1024 + 3);
    mask(bytes, 0x01020304, 1);
    assertEquals(bytes[0], 0);
    assert(bytes.every((byte, i) => i === 0 || byte === (i - 1) % 4 + 1));
  });

  it("does nothing where there is nothing to mask", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    mask(bytes, 0xffffffff, 2, 2);
    mask(bytes, 0xffffffff, 3);
    mask(bytes, 0, 0, 3);
    mask(new Uint8Array(0), 0xffffffff);
    assertSameBytes(bytes, Uint8Array.of(1, 2, 3));
  });
});

describe("maskBySimd", () => {
  it("works on every runtime, with any length", () => {
    const random = new Random(5);
    for (let length = 0; length <= 300; length++) {
      const memory = random.bytes(length + 100);
      const expected = memory.slice();
      expected.set(maskPlainly(memory.slice(10, 10 + length), 0x04030201), 10);
      assert(maskBySimd(memory, 0x04030201, 10, 10 + length));
      assertSameBytes(memory, expected, `length ${length}`);
    }
  });
});
