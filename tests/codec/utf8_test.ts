import { Buffer, isUtf8 } from "node:buffer";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Utf8Validator } from "../../src/codec/mod.ts";
import { native, useNative } from "../../src/codec/native.ts";
import { decodeUtf8 } from "../../src/codec/utf8.ts";
import "../../src/runtimes/deno/utf8.ts";
import { concatBytes, isReferenceUtf8 } from "../support/reference_frames.ts";
import { playsAll } from "../support/plays_all.ts";
import { fromHex, singly, toHex, utf8 } from "./support.ts";
import { readUtf8 } from "./utf8_oracle.ts";

/** Both ends of every range of the grammar, and their neighbours. */
const BOUNDARIES = fromHex(
  "00 01 41 7e 7f 80 81 8e 8f 90 91 9e 9f a0 a1 be bf c0 c1 c2 c3 de df " +
    "e0 e1 e2 eb ec ed ee ef f0 f1 f2 f3 f4 f5 f6 f7 f8 fb fc fd fe ff",
);

/** Asserts that the validator and the decoder say of bytes what the grammar says. */
function check(bytes: Uint8Array): void {
  const expected = readUtf8(bytes);
  const isPossible = expected.impossibleAt === undefined;

  const whole = new Utf8Validator();
  const isValidated = whole.validate(bytes);
  if (isValidated !== isPossible) throw new Error(`${toHex(bytes)} at once: ${isValidated}`);
  if (isPossible && whole.complete !== expected.complete) {
    throw new Error(`${toHex(bytes)} at once: complete is ${whole.complete}`);
  }

  const cut = new Utf8Validator();
  const failedAt = singly(bytes).findIndex((piece) => !cut.validate(piece));
  if (failedAt !== (expected.impossibleAt ?? -1)) {
    throw new Error(`${toHex(bytes)} byte by byte: failed at ${failedAt}`);
  }
  if (isPossible && cut.complete !== expected.complete) {
    throw new Error(`${toHex(bytes)} byte by byte: complete is ${cut.complete}`);
  }
}

/** All sequences with an octet of each list. */
function* sequences(...lists: ArrayLike<number>[]): Generator<number[]> {
  if (lists.length === 0) {
    yield [];
    return;
  }
  const [first, ...rest] = lists;
  for (const tail of sequences(...rest)) {
    for (const octet of Array.from(first)) yield [octet, ...tail];
  }
}

const ALL = Uint8Array.from({ length: 256 }, (_, i) => i);
/** The first octets of what is longest, which is the same to try on all runtimes. */
const LEADS = playsAll ? ALL.subarray(0xc0) : fromHex("c1 c2 df e0 e1 ec ed ee ef f0 f1 f4 f5");

describe("the grammar the tests go by", () => {
  // Every range of a continuation octet holds its first or its last value, or both.
  const COMPLETIONS = [0, 1, 2, 3].flatMap((length) => [
    ...sequences(...Array.from({ length }, () => [0x80, 0xbf])),
  ]);

  const checkGrammar = (sequence: number[]) => {
    const { impossibleAt, complete } = readUtf8(Uint8Array.from(sequence));
    assertEquals(complete, isReferenceUtf8(Uint8Array.from(sequence)), `${sequence}`);
    const isPossible = COMPLETIONS.some((completion) =>
      isReferenceUtf8(Uint8Array.from([...sequence, ...completion]))
    );
    assertEquals(impossibleAt === undefined, isPossible, `${sequence}`);
  };

  it("is the platform's: an octet is possible where some completion is valid", () => {
    for (const sequence of sequences(ALL)) checkGrammar(sequence);
    for (const sequence of sequences(BOUNDARIES, BOUNDARIES)) checkGrammar(sequence);
    const leads = fromHex("e0 ed ef f0 f4");
    const tails = fromHex("7f 80 8f 90 9f a0 bf c0");
    for (const sequence of sequences(leads, tails, tails)) checkGrammar(sequence);
  });
});

describe("Utf8Validator", () => {
  it("is right about each octet, and each pair of octets", () => {
    check(new Uint8Array(0));
    for (const sequence of sequences(ALL)) check(Uint8Array.from(sequence));
    for (const sequence of sequences(ALL, ALL)) check(Uint8Array.from(sequence));
  });

  it("is right about three octets: each first, each second, the third at the boundaries", () => {
    for (const sequence of sequences(LEADS, ALL, BOUNDARIES)) {
      check(Uint8Array.from(sequence));
    }
  });

  it("is right about four octets: each first, the others at the boundaries", () => {
    const tails = fromHex("41 7f 80 8f 90 9f a0 bf c0 e2");
    for (
      const sequence of sequences(LEADS.filter((octet) => octet >= 0xe0), BOUNDARIES, tails, tails)
    ) {
      check(Uint8Array.from(sequence));
    }
  });

  it("accepts every code point", () => {
    const validator = new Utf8Validator();
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint === 0xd800) codePoint = 0xe000;
      const bytes = utf8(String.fromCodePoint(codePoint));
      assert(validator.validate(bytes) && validator.complete, codePoint.toString(16));
    }
  });

  // Long runs of ASCII are skipped by words, which begin where the memory is aligned.
  for (let arrayOffset = 0; arrayOffset < 4; arrayOffset++) {
    it(`sees what is not ASCII at each place of a long text, at array offset ${arrayOffset}`, () => {
      const length = 200;
      for (let place = 0; place < length; place++) {
        for (
          const [character, isValid] of [["c3 a9", true], ["ff", false], ["80", false]] as const
        ) {
          // Behind the end lies what would be refused, to be left alone.
          const memory = new Uint8Array(arrayOffset + length + 20).fill(0xff);
          const end = arrayOffset + length;
          memory.fill(0x61, arrayOffset, end);
          memory.set(fromHex(character), arrayOffset + place);
          const expected = isValid && place < length - 1;
          const validator = new Utf8Validator();
          const isValidated = validator.validate(memory, arrayOffset, end);
          assertEquals(isValidated && validator.complete, expected, `${character} at ${place}`);
        }
      }
    });
  }
});

const { isUtf8: isUtf8BySimd } = native;
useNative({});

for (
  const [whose, isNativeUtf8] of [["the runtime's", isUtf8], ["Deno's", isUtf8BySimd]] as const
) {
  describe(`Utf8Validator, with ${whose} validation of long pieces`, () => {
    const ASCII = utf8("a".repeat(300));
    before(() => useNative({ isUtf8: isNativeUtf8 }));
    after(() => useNative({}));

    /** Checks a sequence between long texts, cut before it, within it and behind it. */
    const checkBetween = (sequence: Uint8Array) => {
      const text = concatBytes([ASCII, sequence, ASCII]);
      const followed = readUtf8(concatBytes([sequence, ASCII.subarray(0, 1)]));
      const impossibleAt = ASCII.length + (followed.impossibleAt ?? Infinity);
      for (let cut = ASCII.length; cut <= ASCII.length + sequence.length; cut++) {
        const validator = new Utf8Validator();
        const isFirstPossible = validator.validate(text, 0, cut);
        if (isFirstPossible !== impossibleAt >= cut) {
          throw new Error(`${toHex(sequence)} cut at ${cut}: ${isFirstPossible}`);
        }
        if (!isFirstPossible) continue;
        const isComplete = readUtf8(sequence.subarray(0, cut - ASCII.length)).complete;
        assertEquals(validator.complete, isComplete, toHex(sequence));
        assertEquals(validator.validate(text, cut), impossibleAt === Infinity, toHex(sequence));
        if (impossibleAt === Infinity) assert(validator.complete);
      }
    };

    it("fails in the piece that has the impossible octet, wherever a sequence is cut", () => {
      for (const sequence of sequences(ALL)) checkBetween(Uint8Array.from(sequence));
      for (const sequence of sequences(ALL.subarray(0x80), BOUNDARIES)) {
        checkBetween(Uint8Array.from(sequence));
      }
      const leads = fromHex("80 c1 c2 df e0 e1 ed ef f0 f1 f4 f5 ff");
      const tails = fromHex("41 7f 80 8f 90 9f a0 bf c0 e2");
      for (const sequence of sequences(leads, tails, tails)) {
        checkBetween(
          Uint8Array.from(sequence),
        );
      }
      for (const sequence of sequences(leads, tails, tails, tails)) {
        checkBetween(Uint8Array.from(sequence));
      }
    });

    it("goes on at any place a long text is cut", () => {
      const text = utf8("aé€😀\ufeff\u{10ffff}\ud7ffz".repeat(60));
      for (let cut = 256; cut <= text.length - 256; cut++) {
        const validator = new Utf8Validator();
        assert(validator.validate(text, 0, cut));
        assertEquals(validator.complete, readUtf8(text.subarray(0, cut)).complete);
        assert(validator.validate(text, cut) && validator.complete, `cut at ${cut}`);
      }
    });
  });
}

describe("Deno's validation", () => {
  const text = utf8("aé€😀".repeat(2000));
  assert(isUtf8BySimd !== undefined && isUtf8BySimd !== isUtf8);

  it("agrees with the runtime's wherever a long text begins and ends", () => {
    for (let start = 0; start < 10; start++) {
      for (let end = 8170; end < 8220; end++) {
        const piece = text.subarray(start, end);
        assertEquals(isUtf8BySimd(piece), isUtf8(piece), `from ${start} to ${end}`);
      }
    }
  });

  it("agrees with the runtime's about an octet that is wrong anywhere", () => {
    for (const octet of fromHex("41 80 bf c1 e2 f0 ff")) {
      for (const near of [0, 8150, 16_350, text.length - 80]) {
        for (let place = near; place < near + 80; place++) {
          const [before, after] = [text.subarray(0, place), text.subarray(place + 1)];
          const bytes = concatBytes([before, Uint8Array.of(octet), after]);
          assertEquals(isUtf8BySimd(bytes), isUtf8(bytes), `${octet} at ${place}`);
        }
      }
    }
  });
});

describe("decodeUtf8", () => {
  it("decodes every code point", () => {
    let text = "";
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint === 0xd800) codePoint = 0xe000;
      text += String.fromCodePoint(codePoint);
    }
    assert(decodeUtf8(utf8(text)) === text);
  });

  it("refuses what the grammar refuses, and is not disturbed by it", () => {
    for (const sequence of sequences(BOUNDARIES, BOUNDARIES, BOUNDARIES)) {
      const bytes = Uint8Array.from(sequence);
      assertEquals(decodeUtf8(bytes) !== undefined, readUtf8(bytes).complete, toHex(bytes));
    }
    assertEquals(decodeUtf8(fromHex("e2 82")), undefined);
    assertEquals(decodeUtf8(utf8("€")), "€");
  });

  it("decodes texts of each length, and sees at each place what is not ASCII, or not UTF-8", () => {
    for (let length = 0; length <= 70; length++) {
      const ascii = Uint8Array.from({ length }, (_, i) => 0x20 + (i * 7) % 0x5f);
      const text = String.fromCharCode(...ascii);
      assertEquals(decodeUtf8(ascii), text);
      for (let place = 0; place < length; place++) {
        const [before, after] = [ascii.subarray(0, place), ascii.subarray(place)];
        // A replacement character that was sent is no sign of an error.
        for (const character of ["é", "\ufffd", "🦊"]) {
          const bytes = concatBytes([before, utf8(character), after]);
          assertEquals(decodeUtf8(bytes), text.slice(0, place) + character + text.slice(place));
          bytes[place] = 0xff;
          assertEquals(decodeUtf8(bytes), undefined);
        }
      }
    }
    assertEquals(decodeUtf8(utf8("\ufffd\ufffd".repeat(50))), "\ufffd\ufffd".repeat(50));
    assertEquals(decodeUtf8(concatBytes([utf8("\ufffd".repeat(50)), fromHex("ef bf")])), undefined);
  });

  it("keeps the byte order mark, wherever it is", () => {
    assertEquals(decodeUtf8(fromHex("ef bb bf")), "\ufeff");
    assertEquals(decodeUtf8(fromHex("ef bb bf ef bb bf 61 ef bb bf")), "\ufeff\ufeffa\ufeff");
  });

  it("decodes a part of an array, and of a Buffer", () => {
    const bytes = fromHex("ff 61 c3 a9 ff");
    assertEquals(decodeUtf8(bytes, 1, 4), "aé");
    assertEquals(decodeUtf8(bytes, 1, 3), undefined);
    assertEquals(decodeUtf8(bytes, 2), undefined);
    assertEquals(decodeUtf8(bytes, 5), "");
    assertEquals(decodeUtf8(Buffer.from(bytes).subarray(1, 4)), "aé");
    assertEquals(decodeUtf8(new Uint8Array(0)), "");
  });
});
