import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { describe, it } from "node:test";
import {
  borrowBuffer,
  type BufferSize,
  bufferSizeFor,
  MAX_BUFFER_SIZE,
  nextBufferSize,
  returnBuffer,
} from "../../src/runtimes/shared/buffer_pool.ts";

describe("buffers of the pool", () => {
  it("grow while reads fill them, and shrink when reads are small", () => {
    const reads: [read: number, size: BufferSize, next: BufferSize][] = [
      [1, 0, 0],
      [2047, 0, 0],
      [2048, 0, 1],
      [16_383, 1, 1],
      [16_384, 1, 2],
      [65_536, 2, 3],
      [65_536, 3, 2],
      [65_537, 3, 3],
      [262_144, 3, 3],
      [16_385, 2, 2],
      [16_384, 2, 1],
      [2049, 2, 1],
      [2048, 2, 0],
      [1, 1, 0],
    ];
    for (const [read, size, next] of reads) {
      assertEquals(nextBufferSize(read, size), next, `${read} bytes into size ${size}`);
    }
  });

  it("are the smallest ones that hold what they are asked for", () => {
    for (const length of [0, 1, 2048, 2049, 16_384, 16_385, 65_536, 65_537, MAX_BUFFER_SIZE]) {
      const size = bufferSizeFor(length);
      assertLessOrEqual(length, borrowBuffer(size).length);
      if (size > 0) assertGreater(length, borrowBuffer(size - 1 as BufferSize).length);
    }
    assertEquals(bufferSizeFor(MAX_BUFFER_SIZE + 1), 3);
  });

  it("are used again, and are kept up to 1 MiB of each size", () => {
    for (const [size, length] of [[0, 2048], [1, 16_384], [2, 65_536], [3, 262_144]] as const) {
      const kept = 1_048_576 / length;
      const buffers = Array.from({ length: kept + 3 }, () => borrowBuffer(size));
      assertEquals(new Set(buffers).size, kept + 3);
      assert(buffers.every((buffer) => buffer.length === length));
      for (const buffer of buffers) returnBuffer(buffer, size);
      const again = Array.from({ length: kept + 3 }, () => borrowBuffer(size));
      assertEquals(again.filter((buffer) => buffers.includes(buffer)).length, kept);
    }
  });
});
