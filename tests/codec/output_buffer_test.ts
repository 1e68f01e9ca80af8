import { describe, it } from "node:test";
import { assert, assertEquals, assertLess, assertStrictEquals } from "@std/assert";
import { type Frame, FrameEncoder, Opcode, type Role } from "../../src/codec/mod.ts";
import { OutputBuffer } from "../../src/codec/output_buffer.ts";
import { concatBytes } from "../support/reference_frames.ts";
import {
  assertSameBytes,
  encodePlainly,
  frameOf,
  KEY_NUMBER,
  Random,
  ROLES,
  utf8,
} from "./support.ts";

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

  it("owns no memory while it has no output", () => {
    const output = new OutputBuffer();
    write(output, utf8("some"));
    output.take();
    assertEquals(output.block.length, 0);
  });
});

/** An encoder, and what it should have written. */
class TrackedEncoder {
  readonly #role: Role;
  readonly #encoder: FrameEncoder;
  #expected: Uint8Array[] = [];

  constructor(role: Role) {
    this.#role = role;
    this.#encoder = new FrameEncoder(role, { maskingKey: () => KEY_NUMBER });
  }

  encode(frame: Frame): void {
    this.#encoder.encode(frame.fin, frame.rsv1, frame.opcode, frame.payload);
    this.#note(frame);
  }

  encodeText(text: string): void {
    this.#encoder.encodeText(text);
    this.#note(frameOf(Opcode.Text, text));
  }

  take(): [chunks: Uint8Array[], expected: Uint8Array] {
    const expected = concatBytes(this.#expected);
    this.#expected = [];
    return [this.#encoder.take(), expected];
  }

  /** Says that what was taken last is written. */
  recycle(): void {
    this.#encoder.recycle();
  }

  #note(frame: Frame): void {
    this.#expected.push(encodePlainly(this.#role, frame));
    const length = this.#expected.reduce((sum, bytes) => sum + bytes.length, 0);
    assertEquals(this.#encoder.byteLength, length);
  }
}

// All encoders of a process write into one block of memory by turns.
describe("encoders side by side", () => {
  for (const maxPayloadLength of [20, 2000, 40000]) {
    it(`leave each other's output alone, with payloads of up to ${maxPayloadLength} bytes`, () => {
      const random = new Random(maxPayloadLength);
      const encoders = Array.from({ length: 12 }, (_, i) => new TrackedEncoder(ROLES[i % 2]));
      const taken: ReturnType<TrackedEncoder["take"]>[] = [];
      for (let step = 0; step < 4000; step++) {
        const encoder = random.pick(encoders);
        const length = Math.floor(random.next() ** 3 * maxPayloadLength);
        const action = random.below(4);
        if (action === 0) taken.push(encoder.take());
        else if (action === 1 && random.below(2) === 0) {
          const [chunks, expected] = encoder.take();
          assertSameBytes(concatBytes(chunks), expected);
          // Whoever is written to may write to somebody else before the write returns.
          const other = random.pick(encoders);
          if (random.below(2) === 0) other.encodeText("é".repeat(length / 2));
          if (other !== encoder && random.below(2) === 0) taken.push(other.take());
          encoder.recycle();
        } else if (action === 1) encoder.encodeText("é".repeat(length / 2));
        else encoder.encode(frameOf(Opcode.Binary, new Uint8Array(length).fill(step)));
        if (taken.length < 100) continue;
        // Not before now: what was taken must stay as it is while others write.
        for (const [chunks, expected] of taken) assertSameBytes(concatBytes(chunks), expected);
        taken.length = 0;
      }
      for (const encoder of encoders) taken.push(encoder.take());
      for (const [chunks, expected] of taken) assertSameBytes(concatBytes(chunks), expected);
    });
  }

  it("leave each other's output alone where masking keys fail to come", () => {
    const failing = new FrameEncoder("client", {
      maskingKey: () => {
        throw new Error("no key");
      },
    });
    const other = new TrackedEncoder("client");
    for (let i = 0; i < 5; i++) {
      try {
        failing.encodeText("lost");
        assert(false);
      } catch (error) {
        assertEquals((error as Error).message, "no key");
      }
      other.encodeText("Hello");
      assertEquals(failing.byteLength, 0);
      assertEquals(failing.take(), []);
      const [chunks, expected] = other.take();
      assertSameBytes(concatBytes(chunks), expected);
    }
  });
});
