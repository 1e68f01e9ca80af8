import { describe, it } from "node:test";
import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import { FrameEncoder, Opcode } from "../../src/codec/mod.ts";
import { OutputBuffer } from "../../src/codec/output_buffer.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { assertSameBytes, encodePlainly, frameOf, KEY_NUMBER, Random, utf8 } from "./support.ts";

/** Writes octets as an encoder does. */
function write(output: OutputBuffer, bytes: Uint8Array, reserved = bytes.length): void {
  output.reserve(reserved);
  output.block.set(bytes, output.position);
  output.position += bytes.length;
}

describe("OutputBuffer", () => {
  it("uses memory again once what was taken out of it is written", () => {
    const output = new OutputBuffer();
    const take = () => {
      write(output, utf8("some"));
      return output.take()[0];
    };
    const first = take();
    const second = take();
    output.recycle();
    const third = take();
    assertStrictEquals(third.buffer, second.buffer);
    assertEquals(third.byteOffset, second.byteOffset);
    assert(first.buffer !== second.buffer || first.byteOffset !== second.byteOffset);
  });

  it("keeps the order of what is written and what is referred to", () => {
    const random = new Random(1);
    const output = new OutputBuffer();
    for (let round = 0; round < 100; round++) {
      const expected: Uint8Array[] = [];
      let length = 0;
      for (let i = random.below(30); i > 0; i--) {
        const piece = random.bytes(random.pick([0, 1, 10, 700, 1500]));
        if (random.below(3) === 0 && piece.length > 0) output.appendReference(piece);
        else write(output, piece, piece.length + random.below(3000));
        expected.push(piece);
        length += piece.length;
        assertEquals(output.byteLength, length);
      }
      const chunks = output.take();
      assertSameBytes(concatBytes(chunks), concatBytes(expected));
      assert(chunks.every((chunk) => chunk.length > 0), "an empty chunk");
      assertEquals(output.byteLength, 0);
    }
  });

  it("refers to a piece, and does not copy it", () => {
    const output = new OutputBuffer();
    const piece = utf8("piece");
    write(output, utf8("before"));
    output.appendReference(piece);
    write(output, utf8("behind"));
    const [before, reference, behind] = output.take();
    assertSameBytes(before, utf8("before"));
    assertStrictEquals(reference, piece);
    assertSameBytes(behind, utf8("behind"));
  });

  it("makes room of any size, and gives back what is not used of it", () => {
    const output = new OutputBuffer();
    for (const size of [1, 1000, 65536, 65537, 1_000_000]) {
      output.reserve(size);
      assert(output.block.length - output.position >= size);
      assertEquals(output.byteLength, 0);
      assertEquals(output.take(), []);
    }
  });

  it("keeps one slab of the shared memory at most, however long nobody takes its output", () => {
    const [slow, other] = [new OutputBuffer(), new OutputBuffer()];
    const expected: Uint8Array[] = [];
    for (let i = 0; i < 2000; i++) {
      const piece = new Uint8Array(100).fill(i);
      write(slow, piece);
      expected.push(piece);
      write(other, new Uint8Array(10_000));
      other.take();
    }
    const chunks = slow.take();
    assertSameBytes(concatBytes(chunks), concatBytes(expected));
    const memory = new Set(chunks.map((chunk) => chunk.buffer));
    const held = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
    assertLess(held, 2 * 200_000 + 65_536);
  });

  it("uses a large block again once its output is written out, and not before", () => {
    const [first, second] = [new OutputBuffer(), new OutputBuffer()];
    const fill = (output: OutputBuffer, value: number) => {
      output.reserveBlock(20_000);
      output.block.fill(value, 0, 20_000);
      output.position = 20_000;
      return output.block.buffer;
    };
    const memory = fill(first, 1);
    const [chunk] = first.take();
    assert(fill(second, 2) !== memory);
    second.take();
    // More output before the first is written out is in other memory, and stays there.
    assert(fill(first, 3) !== memory);
    assert(chunk.every((octet) => octet === 1));
    first.recycle();
    assertStrictEquals(fill(second, 4), memory);
    assert(first.take()[0].every((octet) => octet === 3));
    assert(second.take()[0].every((octet) => octet === 4));
  });

  it("owns no memory while it has no output", () => {
    const output = new OutputBuffer();
    write(output, utf8("some"));
    output.take();
    assertEquals(output.block.length, 0);
  });
});

describe("encoders, which write into one block of memory by turns", () => {
  it("leave each other's output alone where masking keys fail to come", () => {
    const failing = new FrameEncoder("client", {
      maskingKey: () => {
        throw new Error("no key");
      },
    });
    const other = new FrameEncoder("client", { maskingKey: () => KEY_NUMBER });
    for (let i = 0; i < 5; i++) {
      assertThrows(() => failing.encodeText("lost"), Error, "no key");
      other.encodeText("Hello");
      assertEquals([failing.byteLength, failing.take()], [0, []]);
      const expected = encodePlainly("client", frameOf(Opcode.Text, "Hello"));
      assertSameBytes(concatBytes(other.take()), expected);
    }
  });
});
