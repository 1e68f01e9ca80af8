/** Text: valid characters of every length, with octets changed, left out and put in. */

import { decodeUtf8, Utf8Validator } from "../../src/codec/utf8.ts";
import { fromHex, Random, sameBytes, singly, toHex, utf8 } from "../codec/support.ts";
import { readUtf8 } from "../codec/utf8_oracle.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { type BytesInput, check, type Target } from "./target.ts";

const CHARACTERS = [
  "61",
  "7f",
  "00",
  "c2 80",
  "df bf",
  "e0 a0 80",
  "e1 80 80",
  "ec bf bf",
  "ed 9f bf",
  "ee 80 80",
  "ef bf bd",
  "ef bb bf",
  "f0 90 80 80",
  "f1 80 80 80",
  "f3 bf bf bf",
  "f4 8f bf bf",
  "61 62 63 64 65 66 67 68 69 6a 6b 6c",
].map(fromHex);
/** The octets at the borders of the grammar's ranges. */
const OCTETS = fromHex("7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 ec ed ee ef f0 f1 f3 f4 f5 f7 f8 ff");

/** A text, within an array that begins with `offset` other bytes, and what decides how it is cut. */
export interface Utf8Input extends BytesInput {
  offset: number;
  cut: number;
}

export const UTF8: Target<Utf8Input> = {
  make(random) {
    const characters = Array.from(
      { length: random.below(40) },
      () => random.below(8) === 0 ? anyCharacter(random) : random.pick(CHARACTERS),
    );
    // A long run of ASCII is validated in another way.
    for (let runs = random.below(6) - 3; runs > 0; runs--) {
      const run = new Uint8Array(random.below(200)).fill(0x61);
      characters.splice(random.below(characters.length + 1), 0, run);
    }
    let bytes = concatBytes(characters);
    for (let changes = random.below(3); changes > 0 && bytes.length > 0; changes--) {
      const at = random.below(bytes.length);
      const rest = bytes.subarray(at + random.below(2));
      const middle = random.below(3) === 0 ? new Uint8Array(0) : Uint8Array.of(random.pick(OCTETS));
      bytes = concatBytes([bytes.subarray(0, at), middle, rest]);
    }
    return { bytes, offset: random.below(8), cut: random.below(2 ** 31) };
  },

  check({ bytes: text, offset, cut }) {
    const { impossibleAt, complete } = readUtf8(text);
    const isValid = impossibleAt === undefined && complete;
    const message = () => toHex(text);
    // Validation goes by words, wherever the text begins; what is around it must not matter.
    const array = concatBytes([new Uint8Array(offset).fill(0xbf), text, Uint8Array.of(0x80)]);
    const bytes = array.subarray(offset, offset + text.length);
    const validator = new Utf8Validator();
    for (const pieces of [[bytes], new Random(cut).cut(bytes)]) {
      // One that was reset is as good as a new one.
      validator.reset();
      const isPossible = pieces.every((piece) =>
        validator.validate(array, piece.byteOffset, piece.byteOffset + piece.length)
      );
      check(isPossible === (impossibleAt === undefined), message);
      if (isPossible) check(validator.complete === complete, message);
    }
    validator.reset();
    const failedAt = singly(bytes).findIndex((octet) => !validator.validate(octet));
    check(failedAt === (impossibleAt ?? -1), message);

    const decoded = decodeUtf8(array, offset, offset + text.length);
    check((decoded !== undefined) === isValid, message);
    if (decoded !== undefined) check(sameBytes(utf8(decoded), text), message);
    return isValid ? "valid" : impossibleAt === undefined ? "incomplete" : "impossible";
  },
};

/** A code point of any number, encoded as RFC 3629, section 3 has it: surrogates too. */
function anyCharacter(random: Random): Uint8Array {
  const code = random.below(0x11_0800) >>> random.below(16);
  const tail = (shift: number) => 0x80 | ((code >>> shift) & 0x3f);
  if (code < 0x80) return Uint8Array.of(code);
  if (code < 0x800) return Uint8Array.of(0xc0 | (code >>> 6), tail(0));
  if (code < 0x10000) return Uint8Array.of(0xe0 | (code >>> 12), tail(6), tail(0));
  return Uint8Array.of(0xf0 | (code >>> 18), tail(12), tail(6), tail(0));
}
