import fc from "fast-check";
import type { Role } from "../../src/codec/mod.ts";
import { ROLES } from "./support.ts";

/** The seed is fixed, so that every run is the same. */
export const PARAMETERS = { seed: 6455, numRuns: 300 };

export const roles: fc.Arbitrary<Role> = fc.constantFrom(...ROLES);

/** Texts of all code points, and of any UTF-16 units, lone surrogates among them. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.array(fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd800, max: 0xdfff })), { maxLength: 200 })
    .map((units) => String.fromCharCode(...units)),
);

/** Places to cut at, as parts of the length. */
export const cuts: fc.Arbitrary<number[]> = fc.array(
  fc.double({ min: 0, max: 1, noNaN: true }),
  { maxLength: 12 },
);

/** Cuts bytes at places, which may give empty pieces. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}
