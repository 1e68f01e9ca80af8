import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { type Frame, FrameEncoder, Opcode } from "../../src/codec/mod.ts";
import { checkFrame, randomMaskingKey } from "../../src/codec/frame_encoder.ts";
import { concatBytes, decodeReferenceFrame } from "../support/reference_frames.ts";
import {
  assertSameBytes,
  encodePlainly,
  frameOf,
  KEY_NUMBER,
  Random,
  ROLES,
  sameBytes,
  utf8,
} from "./support.ts";
import { OutputBuffer } from "../../src/codec/output_buffer.ts";

const maskingKey = () => KEY_NUMBER;
/** Up to this many bytes a payload is copied, beyond it is referred to. */
const MAX_COPIED_LENGTH = 16 * 1024;

for (const role of ROLES) {
  describe(`the FrameEncoder of a ${role}`, () => {
    it("knows its length at each step, and begins anew when it is taken", () => {
      const encoder = new FrameEncoder(role, { maskingKey });
      for (let round = 0; round < 3; round++) {
        assertEquals(encoder.byteLength, 0);
        const expected: Uint8Array[] = [];
        for (const length of [0, 1, 125, 126, 5000, 16384, 16385, 3, 65535, 65536, 0, 60000, 9]) {
          const frame = frameOf(Opcode.Binary, new Uint8Array(length).fill(length));
          encoder.encode(true, false, Opcode.Binary, frame.payload);
          expected.push(encodePlainly(role, frame));
          assertEquals(encoder.byteLength, expected.reduce((sum, { length }) => sum + length, 0));
        }
        const chunks = encoder.take();
        assertEquals(encoder.byteLength, 0);
        assertEquals(encoder.take(), []);
        assertSameBytes(concatBytes(chunks), concatBytes(expected));
        assert(chunks.every((chunk) => chunk.length > 0), "an empty chunk");
      }
    });

    it("leaves the payload as it is, Buffers too", () => {
      for (const length of [5, 300, MAX_COPIED_LENGTH, 40000]) {
        for (const payload of [new Uint8Array(length).fill(9), Buffer.alloc(length, 9)]) {
          const encoder = new FrameEncoder(role, { maskingKey });
          encoder.encode(true, false, Opcode.Binary, payload);
          assert(payload.every((byte) => byte === 9));
          const expected = encodePlainly(role, frameOf(Opcode.Binary, Uint8Array.from(payload)));
          assertSameBytes(concatBytes(encoder.take()), expected);
        }
      }
    });

    it("says whether its output refers to the payload", () => {
      for (const length of [0, 1, MAX_COPIED_LENGTH, MAX_COPIED_LENGTH + 1, 100_000]) {
        const payload = new Uint8Array(length).fill(1);
        const encoder = new FrameEncoder(role, { maskingKey });
        const refers = encoder.encode(true, false, Opcode.Binary, payload);
        assertEquals(refers, role === "server" && length > MAX_COPIED_LENGTH, `${length}`);
        const chunks = encoder.take();
        const before = concatBytes(chunks);
        payload.fill(2);
        assertEquals(sameBytes(concatBytes(chunks), before), !refers, `${length}`);
      }
    });

    it("gathers what is small into one chunk", () => {
      const encoder = new FrameEncoder(role, { maskingKey });
      for (let i = 0; i < 100; i++) encoder.encode(true, false, Opcode.Text, utf8("Hello"));
      assertEquals(encoder.take().length, 1);
    });
  });

  describe(`encodeText of a ${role}`, () => {
    const check = (text: string) => {
      const encoder = new FrameEncoder(role, { maskingKey });
      // Not alone, so that what lies around it is seen to be left alone.
      encoder.encode(true, false, Opcode.Ping, utf8("before"));
      encoder.encodeText(text);
      encoder.encode(true, false, Opcode.Ping, utf8("behind"));
      const expected = concatBytes(
        [
          frameOf(Opcode.Ping, "before"),
          frameOf(Opcode.Text, text),
          frameOf(Opcode.Ping, "behind"),
        ].map((frame) => encodePlainly(role, frame)),
      );
      assertEquals(encoder.byteLength, expected.length, `${text.length} units`);
      assertSameBytes(concatBytes(encoder.take()), expected, `${text.length} units`);
    };

    // The header goes before the text, whose length in bytes is not known until it is encoded.
    for (const [what, character] of [["ASCII", "x"], ["2", "é"], ["3", "€"], ["4", "😀"]]) {
      it(`takes texts of ${what} bytes a character, up to past 126 bytes`, () => {
        for (let count = 0; count <= 140; count++) check(character.repeat(count));
      });
    }

    it("takes texts of ASCII with other characters first, in the middle and last", () => {
      for (const character of ["\0\x7f", "\x80", "\xff", "\u07ff\u0800", "€", "😀", "\ufeff"]) {
        for (let count = 0; count <= 130; count++) {
          const ascii = "x".repeat(count);
          for (const text of [character + ascii, ascii + character]) check(text);
          check(ascii.slice(count / 2) + character + ascii.slice(0, count / 2));
        }
      }
    });

    it("takes texts around 126, 16 KiB and 64 KiB, in units and in bytes", () => {
      for (const size of [126, MAX_COPIED_LENGTH, 65536]) {
        for (const bytesEach of [1, 2, 3]) {
          const character = ["x", "é", "€"][bytesEach - 1];
          for (let more = -2; more <= 2; more++) {
            check(character.repeat(Math.floor(size / bytesEach) + more));
            check(character.repeat(size + more));
            check("x" + character.repeat(Math.floor(size / bytesEach) + more));
          }
        }
      }
    });

    it("takes long texts that are ASCII, or nearly: other characters lie where it looks, or not", () => {
      for (const length of [6_000, 65_535, 65_536, 100_000]) {
        const ascii = "x".repeat(length);
        check(ascii);
        for (const place of [0, 1, length >> 1, length - 1]) {
          for (const character of ["é", "€", "\ud800"]) {
            check(ascii.slice(0, place) + character + ascii.slice(place + 1));
          }
        }
        const encoder = new FrameEncoder(role, { maskingKey });
        encoder.encodeText(ascii);
        assertEquals(encoder.take().length, 1, "in one piece with its header");
      }
    });

    it("takes long texts of surrogate pairs, wherever they are cut", () => {
      for (const before of ["", "x", "xx", "\ud83d", "\ude00"]) {
        check(before + "😀".repeat(100_000));
        check(before + "x".repeat(65_534) + "\ude00\ude00😀");
      }
    });
  });
}

describe("the masking keys of a client", () => {
  it("are 32 random bits each, whatever the payload", () => {
    const encoder = new FrameEncoder("client");
    const keys = new Set<string>();
    const octets = [0, 1, 2, 3].map(() => new Set<number>());
    for (let i = 0; i < 1000; i++) {
      encoder.encode(true, false, Opcode.Binary, new Uint8Array(4));
      const { frame } = decodeReferenceFrame(concatBytes(encoder.take()))!;
      assertSameBytes(frame.payload, new Uint8Array(4));
      keys.add(`${frame.maskingKey}`);
      frame.maskingKey!.forEach((octet, place) => octets[place].add(octet));
    }
    // Both by far more than chance would allow them to miss.
    assertGreater(keys.size, 990);
    for (const values of octets) assertGreater(values.size, 200);
  });

  it("are not asked for by a server", () => {
    const encoder = new FrameEncoder("server", { maskingKey: () => assert(false) as never });
    encoder.encodeText("Hello");
    encoder.encode(true, false, Opcode.Ping, utf8("Hello"));
    assertEquals(encoder.byteLength, 14);
  });

  it("are asked for once a frame, and may be any 32-bit integer", () => {
    const keys = [0, 1, -1, -0x80000000, 0x7fffffff, 0x80000000, 0xffffffff, 0x01020304];
    const asked = keys.slice();
    const encoder = new FrameEncoder("client", { maskingKey: () => asked.shift()! });
    for (const key of keys) {
      encoder.encodeText("Hello");
      const octets = Uint8Array.of(key >>> 24, key >>> 16, key >>> 8, key);
      const expected = encodePlainly("client", frameOf(Opcode.Text, "Hello"), octets);
      assertSameBytes(concatBytes(encoder.take()), expected);
    }
  });

  it("come from randomMaskingKey, which does not repeat itself", () => {
    const keys = new Set(Array.from({ length: 2000 }, () => randomMaskingKey()));
    assertGreater(keys.size, 1990);
  });
});

describe("checkFrame", () => {
  it("accepts every frame that a peer accepts", () => {
    for (const fin of [true, false]) {
      for (const rsv1 of [true, false]) {
        for (const opcode of [Opcode.Text, Opcode.Binary]) {
          checkFrame(frameOf(opcode, "x".repeat(200), { fin, rsv1 }));
        }
      }
      checkFrame(frameOf(Opcode.Continuation, "x".repeat(200), { fin }));
    }
    for (const opcode of [Opcode.Close, Opcode.Ping, Opcode.Pong]) {
      checkFrame(frameOf(opcode, "x".repeat(125)));
    }
  });

  const REFUSED: [what: string, frame: Frame, message: string][] = [
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, -1, 1.5, NaN].map((
      opcode,
    ): typeof REFUSED[number] => [`the opcode ${opcode}`, frameOf(opcode), "reserved opcode"]),
    ...[Opcode.Close, Opcode.Ping, Opcode.Pong].flatMap((opcode): typeof REFUSED => [
      [`a fragment of the opcode ${opcode}`, frameOf(opcode, "", { fin: false }), "fragmented"],
      [`RSV1 with the opcode ${opcode}`, frameOf(opcode, "", { rsv1: true }), "RSV1"],
      [`126 bytes with the opcode ${opcode}`, frameOf(opcode, "x".repeat(126)), "126 bytes"],
    ]),
    ["RSV1 on a continuation", frameOf(Opcode.Continuation, "", { rsv1: true }), "RSV1"],
    ...["text", [1, 2], new ArrayBuffer(1), null, undefined].map((
      payload,
    ): typeof REFUSED[number] => [
      `the payload ${payload}`,
      { ...frameOf(Opcode.Text), payload: payload as unknown as Uint8Array },
      "not a Uint8Array",
    ]),
  ];
  for (const [what, frame, message] of REFUSED) {
    it(`refuses ${what}`, () => {
      assertThrows(() => checkFrame(frame), TypeError, message);
    });
  }
});

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
