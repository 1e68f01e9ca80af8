/** Text: valid characters of every length, with octets changed, left out and put in. */

import { assertEquals } from "@std/assert";
import { decodeUtf8, Utf8Validator } from "../../src/codec/utf8.ts";
import { fromHex, type Random, singly, toHex } from "../codec/support.ts";
import { readUtf8 } from "../codec/utf8_oracle.ts";
import { concatBytes } from "../support/reference_frames.ts";

const CHARACTERS = [
  "61",
  "7f",
  "00",
  "c2 80",
  "df bf",
  "e0 a0 80",
  "e1 80 80",
  "ed 9f bf",
  "ee 80 80",
  "ef bf bd",
  "ef bb bf",
  "f0 90 80 80",
  "f1 80 80 80",
  "f4 8f bf bf",
  "61 62 63 64 65 66 67 68 69 6a 6b 6c",
].map(fromHex);
/** The octets at the borders of the grammar's ranges. */
const OCTETS = fromHex("7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 ec ed ee ef f0 f1 f3 f4 f5 ff");

/** Has a text validated, cut in several ways, and decoded. Returns whether it is valid. */
export function fuzzUtf8(random: Random): boolean {
  const characters = Array.from({ length: random.below(40) }, () => random.pick(CHARACTERS));
  // A long run of ASCII is validated in another way.
  if (random.below(3) === 0) {
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

  const { impossibleAt, complete } = readUtf8(bytes);
  const isValid = impossibleAt === undefined && complete;
  const message = toHex(bytes);
  for (const pieces of [[bytes], random.cut(bytes)]) {
    const validator = new Utf8Validator();
    const isPossible = pieces.every((piece) => validator.validate(piece));
    assertEquals(isPossible, impossibleAt === undefined, message);
    if (isPossible) assertEquals(validator.complete, complete, message);
  }
  const validator = new Utf8Validator();
  const failedAt = singly(bytes).findIndex((octet) => !validator.validate(octet));
  assertEquals(failedAt === -1 ? undefined : failedAt, impossibleAt, message);

  const text = decodeUtf8(bytes);
  assertEquals(text !== undefined, isValid, message);
  if (text !== undefined) assertEquals(new TextEncoder().encode(text), bytes);
  return isValid;
}
