import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { constants, inflateRawSync } from "node:zlib";
import { Random, toHex, utf8 } from "../codec/support.ts";
import {
  deflateAlone,
  FixedBlock,
  ReferenceDeflater,
  ReferenceInflater,
  storedBlocks,
} from "../support/reference_deflate.ts";
import { concatBytes } from "../support/reference_frames.ts";

const hello = utf8("Hello");

/** Bytes without repetition, all the same in every run. */
const randomBytes = (size: number) => new Random(1).bytes(size);

describe("reference deflate", () => {
  it("gives the examples of RFC 7692, section 7.2.3", async () => {
    const keeping = new ReferenceDeflater(15, true);
    assertEquals(toHex(await keeping.deflate(hello)), "f2 48 cd c9 c9 07 00");
    assertEquals(toHex(await keeping.deflate(hello)), "f2 00 11 00 00");
    keeping.close();
    const dropping = new ReferenceDeflater(15, false);
    for (let i = 0; i < 2; i++) {
      assertEquals(toHex(await dropping.deflate(hello)), "f2 48 cd c9 c9 07 00");
    }
    assertEquals(toHex(deflateAlone(hello, 15, { level: 0 })), "00 05 00 fa ff 48 65 6c 6c 6f 00");
  });

  for (const windowBits of [8, 9, 12, 15]) {
    for (const keepsWindow of [true, false]) {
      it(`inflates what it deflates: 2^${windowBits}, ${keepsWindow ? "kept" : "not kept"}`, async () => {
        const deflater = new ReferenceDeflater(windowBits, keepsWindow);
        const inflater = new ReferenceInflater(windowBits, keepsWindow);
        for (const size of [5, 0, 1, 5, 700, 700, 40_000, 40_000, 0, 3]) {
          const message = randomBytes(size);
          assertEquals(inflater.inflate(await deflater.deflate(message)), message);
        }
        deflater.close();
      });
    }
  }

  it("writes blocks symbol by symbol", () => {
    const block = new FixedBlock();
    for (const byte of [0, 143, 144, 255]) block.literal(byte);
    const expected = [0, 143, 144, 255];
    const matches = [[3, 1], [4, 2], [10, 3], [11, 4], [114, 5], [115, 24], [257, 200], [258, 400]];
    for (const [length, distance] of matches) {
      block.match(length, distance);
      for (let i = 0; i < length; i++) expected.push(expected[expected.length - distance]);
    }
    assertEquals([...new ReferenceInflater(15, false).inflate(block.end())], expected);
  });

  it("sees the largest distance of a window, and one more", () => {
    for (const windowBits of [9, 15]) {
      const size = 2 ** windowBits;
      const message = randomBytes(size);
      const inflater = new ReferenceInflater(windowBits, true);
      inflater.inflate(concatBytes([storedBlocks(message), Uint8Array.of(0)]));
      const again = inflater.inflate(new FixedBlock().match(258, size).end());
      assertEquals(again, message.slice(0, 258));
    }
    const tooFar = concatBytes([
      storedBlocks(randomBytes(1000)),
      new FixedBlock().match(3, 600).end(),
    ]);
    assertThrows(() => new ReferenceInflater(9, false).inflate(tooFar));
    assertEquals(new ReferenceInflater(10, false).inflate(tooFar).length, 1003);
    assertThrows(() =>
      new ReferenceInflater(15, false).inflate(new FixedBlock().match(3, 1).end())
    );
  });

  it("sees where a message does not end with a block", () => {
    const payload = deflateAlone(randomBytes(100));
    const inflater = new ReferenceInflater(15, false);
    assertEquals(inflater.inflate(payload).length, 100);
    const wrong = [
      payload.subarray(0, -1),
      payload.subarray(0, 50),
      concatBytes([payload, Uint8Array.of(0, 0, 255, 255)]),
    ];
    for (const bytes of wrong) assertThrows(() => inflater.inflate(bytes));
  });

  it("gives what the begin of a message tells", () => {
    const payload = deflateAlone(randomBytes(5000), 15, { level: 0 });
    const begin = new ReferenceInflater(15, false).inflateBegin(payload.subarray(0, 1005));
    assertEquals(begin, randomBytes(5000).slice(0, 1000));
  });

  it("is understood by zlib", () => {
    const tail = Uint8Array.of(0, 0, 255, 255);
    const options = { finishFlush: constants.Z_SYNC_FLUSH };
    const bytes = concatBytes([new FixedBlock().literal(65).match(3, 1).end(), tail]);
    assertEquals(inflateRawSync(bytes, options).toString(), "AAAA");
  });
});
