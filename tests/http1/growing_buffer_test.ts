import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { GrowingBuffer } from "../../src/http1/growing_buffer.ts";

describe("GrowingBuffer", () => {
  it("keeps what arrived, in at most twice the room, and moves it seldom", () => {
    const buffer = new GrowingBuffer();
    const stores = new Set<ArrayBufferLike>();
    for (let i = 0; i < 16384; i++) {
      buffer.append(Uint8Array.of(i & 0xff));
      assertEquals(buffer.length, i + 1);
      assert(buffer.bytes.buffer.byteLength <= 2 * buffer.length);
      stores.add(buffer.bytes.buffer);
    }
    assert(buffer.bytes.every((byte, i) => byte === (i & 0xff)));
    // One store a doubling: 1, 2, 4 ... 16384. So each byte was copied about twice, and not 16384 times.
    assertEquals(stores.size, 15);
  });

  it("takes pieces of any size, and copies them", () => {
    const buffer = new GrowingBuffer();
    const piece = Uint8Array.of(1, 2, 3);
    buffer.append(piece);
    assertEquals(buffer.bytes.buffer.byteLength, 3);
    piece.fill(0);
    buffer.append(new Uint8Array(0));
    buffer.append(Uint8Array.of(9, 4, 5, 6, 7).subarray(1));
    assertEquals([...buffer.bytes], [1, 2, 3, 4, 5, 6, 7]);
  });
});
