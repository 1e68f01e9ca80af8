// @engines: it asks nothing of a runtime but its engine.

import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { MessageTooBigError } from "../../src/codec/mod.ts";
import {
  ByteCollector,
  cloneBytes,
  copyBytes,
  retainBytes,
} from "../../src/codec/byte_collector.ts";
import { allocations, assertSameBytes, Random } from "./support.ts";

/** With so many bytes at first, or more, memory that collectors share is used. */
const SHARED_START = 16_384;

/** Has the memory that collectors share allocated, and taken from the one that was using it. */
function occupyShared(): ByteCollector {
  const other = new ByteCollector(true);
  other.append(new Uint8Array(SHARED_START).fill(255), 0, SHARED_START, Infinity);
  return other;
}

describe("ByteCollector", () => {
  it("gives exactly what was appended, in an array of its own", () => {
    const random = new Random(1);
    const collector = new ByteCollector(true);
    for (let round = 0; round < 100; round++) {
      const bytes = random.bytes(random.below(5000));
      const expectedLength = random.pick([0, bytes.length, bytes.length * 2, Infinity]);
      let start = 0;
      for (const piece of random.cut(bytes, 500)) {
        collector.append(bytes, start, start + piece.length, expectedLength);
        start += piece.length;
        assertEquals(collector.length, Math.min(start, bytes.length));
        assert(collector.capacity >= collector.length);
      }
      const taken = collector.take();
      assertSameBytes(taken, bytes);
      assertEquals(taken.buffer.byteLength, bytes.length, "more memory than bytes");
      assertEquals([collector.length, collector.capacity], [0, 0]);
    }
    assertEquals(collector.take().length, 0);
  });

  it("keeps a copy, and hands out a plain Uint8Array", () => {
    for (const length of [3, 300]) {
      const collector = new ByteCollector(true);
      const piece = Buffer.alloc(length, 1);
      collector.append(piece, 0, length, length);
      piece.fill(2);
      const taken = collector.take();
      assertEquals(taken.constructor, Uint8Array);
      assert(taken.every((byte) => byte === 1));
    }
  });

  // Bytes come in small pieces, of which the sum is not known, or lied about.
  for (const expectedLength of [1_000_000, 10 ** 12, Infinity]) {
    it(`grows by a factor where ${expectedLength} bytes are expected`, () => {
      const collector = new ByteCollector(true);
      const piece = new Uint8Array(100);
      const lengths = allocations((lengths) => {
        for (let i = 0; i < 10_000; i++) {
          collector.append(piece, 0, 100, expectedLength);
          const memory = Math.max(1024, (expectedLength === Infinity ? 2 : 4) * collector.length);
          if (i % 100 === 0) assert(lengths.every((length) => length <= memory));
        }
      });
      assert(lengths.length > 0);
      const copied = lengths.reduce((sum, length) => sum + length, 0);
      assertLessOrEqual(copied, 4 * collector.length);
    });
  }

  it("stops growing at the length expected, which then needs no trimming", () => {
    const collector = new ByteCollector(true);
    const piece = new Uint8Array(700);
    const lengths = allocations(() => {
      for (let i = 0; i < 10; i++) collector.append(piece, 0, 700, 7000);
      collector.take();
    });
    assertEquals(lengths, [2800, 7000]);
  });

  it("allocates the length expected for large pieces, while little of that waits to be written", () => {
    const MiB = 1_048_576;
    const piece = new Uint8Array(16_384);
    const begin = () => {
      const collector = new ByteCollector(true);
      collector.append(piece, 0, piece.length, MiB);
      return collector;
    };
    const four = [begin(), begin(), begin(), begin()];
    assertEquals(four.map(({ capacity }) => capacity), [MiB, MiB, MiB, MiB]);
    const fifth = begin();
    assertEquals(fifth.capacity, 4 * piece.length);
    const rest = MiB - piece.length;
    four[0].append(new Uint8Array(rest), 0, rest, MiB);
    const sixth = begin();
    assertEquals(sixth.capacity, MiB);
    for (const each of [...four, fifth, sixth]) each.borrow();
    assertEquals([begin(), begin(), begin(), begin()].map((each) => each.take().length), [
      ...[16_384, 16_384, 16_384, 16_384],
    ]);
    // A message larger than all that may wait grows by a factor.
    const large = new ByteCollector(true);
    large.append(piece, 0, piece.length, 8 * MiB);
    assertEquals(large.capacity, 4 * piece.length);
    large.borrow();
  });

  it("allocates once, in its size, what comes in pieces of which the number is not known", () => {
    occupyShared().take();
    const collector = new ByteCollector(true);
    const piece = new Uint8Array(65_536).fill(7);
    const lengths = allocations(() => {
      for (let i = 0; i < 16; i++) {
        collector.append(piece, 0, 65_536, Infinity);
        assertEquals(collector.capacity, collector.length);
      }
    });
    assertEquals(lengths, []);
    const taken = collector.take();
    assertEquals([taken.length, taken.buffer.byteLength], [1_048_576, 1_048_576]);
    // All of the shared memory was used: what was taken is none of it.
    occupyShared().take();
    assert(taken.every((byte) => byte === 7));
  });

  it("keeps the bytes of each of several that collect by turns", () => {
    const random = new Random(2);
    const all = Array.from({ length: 5 }, () => random.bytes(random.below(2_000_000)));
    const positions = all.map(() => 0);
    const collectors = all.map(() => new ByteCollector(true));
    while (all.some((bytes, i) => positions[i] < bytes.length)) {
      const i = random.below(all.length);
      const end = Math.min(positions[i] + random.below(300_000), all[i].length);
      collectors[i].append(all[i], positions[i], end, Infinity);
      positions[i] = end;
      assertEquals(collectors[i].length, end);
    }
    const taken = collectors.map((collector) => collector.take());
    taken.forEach((bytes, i) => assertSameBytes(bytes, all[i]));
  });

  for (const length of [16_383, 16_384, 1_048_575, 1_048_576, 1_048_577]) {
    it(`counts ${length} bytes also when others collect, and shows nobody else's`, () => {
      const bytes = new Random(length).bytes(length);
      const collector = new ByteCollector(true);
      const first = Math.min(length, SHARED_START);
      collector.append(bytes, 0, first, Infinity);
      collector.append(bytes, first, length, Infinity);
      const { capacity } = collector;
      assertLessOrEqual(capacity, length <= 1_048_576 ? length : 2 * 1_048_576);
      const other = occupyShared();
      assertEquals([collector.capacity, other.capacity], [capacity, SHARED_START]);
      collector.append(Uint8Array.of(1, 2), 0, 2, Infinity);
      other.append(new Uint8Array(1_000_000).fill(255), 0, 1_000_000, Infinity);
      assert(collector.capacity >= length + 2);
      const taken = collector.take();
      assertSameBytes(taken.subarray(0, length), bytes);
      assertEquals(taken.buffer.byteLength, length + 2);
      const rest = other.take();
      assertEquals(rest.length, 1_000_000 + SHARED_START);
      assert(rest.every((byte) => byte === 255));
      assertEquals([collector.capacity, other.capacity], [0, 0]);
      // What was taken stays as it is.
      occupyShared();
      assertEquals([taken[0], taken.at(-1)], [bytes[0], 2]);
    });
  }

  it("lends its bytes without a copy, and forgets them", () => {
    const first = new ByteCollector(true);
    const bytes = new Random(4).bytes(20_000);
    first.append(bytes, 0, 20_000, Infinity);
    const lent = first.borrow();
    assertSameBytes(lent, bytes);
    assertEquals([first.length, first.capacity], [0, 0]);
    const second = occupyShared();
    assertEquals([lent[0], lent.buffer.byteLength], [255, 1_048_576]);
    first.append(bytes, 0, 20_000, Infinity);
    assertSameBytes(first.take(), bytes);
    assertSameBytes(second.take(), new Uint8Array(SHARED_START).fill(255));
  });

  it("keeps what it has when there is no array for more", () => {
    const bytes = new Random(5).bytes(20_000);
    const collector = new ByteCollector(true);
    collector.append(bytes, 0, 20_000, Infinity);
    const empty = new ByteCollector(true);
    for (const each of [collector, empty]) {
      const append = () => each.append(bytes, 0, 2 ** 52, Infinity);
      const { size, closeCode } = assertThrows(append, MessageTooBigError);
      assertEquals([size, closeCode], [2 ** 52 + each.length, 1009]);
    }
    assertEquals([empty.length, empty.capacity], [0, 0]);
    const other = occupyShared();
    collector.append(bytes, 0, 5, Infinity);
    assertSameBytes(collector.take().subarray(0, 20_000), bytes);
    assertEquals([other.take().length, empty.take().length], [SHARED_START, 0]);
  });

  it("leaves the shared memory to others when it begins with few bytes", () => {
    const user = new ByteCollector(true);
    user.append(new Uint8Array(SHARED_START), 0, SHARED_START, Infinity);
    const lengths = allocations(() => {
      for (const length of [1, 3_000, SHARED_START - 1]) {
        const small = new ByteCollector(true);
        small.append(new Uint8Array(SHARED_START).subarray(0, length), 0, length, Infinity);
        assertEquals(small.capacity, length);
      }
    });
    // The pieces themselves are allocated too.
    assertEquals(lengths.filter((length) => length !== SHARED_START), [
      1,
      3_000,
      SHARED_START - 1,
    ]);
    assertEquals(user.borrow().buffer.byteLength, 1_048_576);
  });
});

describe("retainBytes", () => {
  const cases: [memory: number, start: number, end: number, isView: boolean][] = [
    [8192, 0, 1, true],
    [8193, 0, 1, false],
    [8192, 10, 10, true],
    [65_536, 14, 14 + 8192, true],
    [65_536, 14, 14 + 8191, false],
  ];
  for (const [memory, start, end, isView] of cases) {
    it(`${isView ? "refers to" : "copies"} ${end - start} of ${memory} bytes`, () => {
      const bytes = new Random(3).bytes(memory);
      const expected = bytes.slice(start, end);
      const kept = retainBytes(bytes, start, end);
      assertSameBytes(kept, expected);
      assertEquals(kept.buffer === bytes.buffer, isView);
    });
  }

  it("counts all of the memory, and gives a plain Uint8Array", () => {
    const memory = new ArrayBuffer(10_000);
    const part = Buffer.from(memory, 5000, 100).fill(7);
    const copy = retainBytes(part, 10, 20);
    assertEquals([copy.constructor, copy.buffer === memory], [Uint8Array, false]);
    const buffer = Buffer.from(new ArrayBuffer(100), 50, 50).fill(7);
    const view = retainBytes(buffer, 10, 20);
    assertEquals([view.constructor, view.byteOffset], [Uint8Array, 60]);
    assertSameBytes(view, copy);
  });
});

describe("copyBytes and cloneBytes", () => {
  it("copy parts of any length to any place", () => {
    const random = new Random(2);
    const source = random.bytes(400);
    for (let length = 0; length <= 200; length++) {
      const [start, offset] = [random.below(200), random.below(20)];
      const target = new Uint8Array(240);
      copyBytes(source, start, start + length, target, offset);
      const expected = new Uint8Array(240);
      expected.set(source.slice(start, start + length), offset);
      assertSameBytes(target, expected);
      assertSameBytes(
        cloneBytes(source, start, start + length),
        source.slice(start, start + length),
      );
    }
    assertSameBytes(cloneBytes(source, 0, 400), source);
  });

  it("make a plain copy of a Buffer", () => {
    for (const length of [5, 500]) {
      const buffer = Buffer.alloc(length, 1);
      const clone = cloneBytes(buffer, 0, length);
      buffer.fill(2);
      assertEquals(clone.constructor, Uint8Array);
      assert(clone.every((byte) => byte === 1));
    }
  });
});
