/**
 * Writes DEFLATE (RFC 1951) that a compressor would hardly write, but that is valid: blocks of all
 * types, random codes, matches of any length and distance.
 *
 * @module
 */

import type { Random } from "../codec/support.ts";

/** A code: for each symbol its bits, the first one first; those without are not in use. */
type Code = (readonly number[] | undefined)[];

const LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** What a block stands for: octets, and copies of what came before. */
export type Token = number | { length: number; distance: number };

/** Writes blocks. */
export class DeflateWriter {
  readonly #random: Random;
  #octets: number[] = [];
  /** How many bits of the last octet are in use. */
  #used = 8;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Adds a stored block. */
  stored(bytes: Uint8Array, isFinal: boolean): void {
    this.#add(isFinal ? 1 : 0, 1);
    this.#add(0, 2);
    this.align();
    this.#add(bytes.length, 16);
    this.#add(0xffff - bytes.length, 16);
    for (const byte of bytes) this.#octets.push(byte);
  }

  /** Adds a block with the fixed codes. */
  fixed(tokens: readonly Token[], isFinal: boolean): void {
    this.#add(isFinal ? 1 : 0, 1);
    this.#add(1, 2);
    const literals = Array.from(
      { length: 288 },
      (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8,
    );
    this.#tokens(tokens, toCode(literals), toCode(Array.from({ length: 30 }, () => 5)));
  }

  /** Adds a block with codes of its own, of random lengths. */
  dynamic(tokens: readonly Token[], isFinal: boolean): void {
    const random = this.#random;
    const usedLiterals = new Set<number>([256]);
    const usedDistances = new Set<number>();
    for (const token of tokens) {
      if (typeof token === "number") usedLiterals.add(token);
      else {
        usedLiterals.add(lengthSymbol(token.length)[0]);
        usedDistances.add(distanceSymbol(token.distance)[0]);
      }
    }
    for (let i = random.below(20); i > 0; i--) usedLiterals.add(random.below(286));
    if (random.below(2) === 0) usedDistances.add(random.below(30));
    const literals = randomLengths(usedLiterals, 15, random);
    const distances = randomLengths(usedDistances, 15, random);
    const literalCount = Math.max(257, literals.length) + random.below(2) * 2;
    const distanceCount = Math.max(1, distances.length);
    const all = [
      ...Array.from({ length: Math.min(literalCount, 286) }, (_, i) => literals[i] ?? 0),
      ...Array.from({ length: distanceCount }, (_, i) => distances[i] ?? 0),
    ];
    const runs = encodeRuns(all, random);
    const lengthLengths = randomLengths(new Set(runs.map(([symbol]) => symbol)), 7, random);
    let count = 19;
    while (count > 4 && !lengthLengths[LENGTHS_ORDER[count - 1]]) count--;

    this.#add(isFinal ? 1 : 0, 1);
    this.#add(2, 2);
    this.#add(Math.min(literalCount, 286) - 257, 5);
    this.#add(distanceCount - 1, 5);
    this.#add(count - 4, 4);
    for (let i = 0; i < count; i++) this.#add(lengthLengths[LENGTHS_ORDER[i]] ?? 0, 3);
    const lengthCode = toCode(lengthLengths);
    for (const [symbol, extra, extraBits] of runs) {
      this.#addCode(lengthCode[symbol]!);
      this.#add(extra, extraBits);
    }
    this.#tokens(tokens, toCode(literals), toCode(distances));
  }

  /** Ends a message: with an empty stored block, of which RFC 7692 leaves four octets out. */
  sync(): void {
    this.#add(0, 3);
    this.align();
  }

  /** Goes to the next border of octets. */
  align(): void {
    this.#used = 8;
  }

  /** What was written. */
  take(): Uint8Array {
    const octets = Uint8Array.from(this.#octets);
    this.#octets = [];
    this.align();
    return octets;
  }

  #tokens(tokens: readonly Token[], literals: Code, distances: Code): void {
    for (const token of tokens) {
      if (typeof token === "number") {
        this.#addCode(literals[token]!);
        continue;
      }
      const [length, lengthExtra, lengthBits] = lengthSymbol(token.length);
      this.#addCode(literals[length]!);
      this.#add(lengthExtra, lengthBits);
      const [distance, distanceExtra, distanceBits] = distanceSymbol(token.distance);
      this.#addCode(distances[distance]!);
      this.#add(distanceExtra, distanceBits);
    }
    this.#addCode(literals[256]!);
  }

  #addCode(bits: readonly number[]): void {
    for (const bit of bits) this.#add(bit, 1);
  }

  #add(value: number, count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.#used === 8) {
        this.#octets.push(0);
        this.#used = 0;
      }
      this.#octets[this.#octets.length - 1] += ((value >> i) & 1) << this.#used++;
    }
  }
}

type Symbol = [symbol: number, extra: number, extraBits: number];

function lengthSymbol(length: number): Symbol {
  if (length === 258) return [285, 0, 0];
  let symbol = 257;
  for (let base = 3;; symbol++) {
    const bits = symbol < 265 ? 0 : Math.floor((symbol - 261) / 4);
    if (length < base + 2 ** bits) return [symbol, length - base, bits];
    base += 2 ** bits;
  }
}

function distanceSymbol(distance: number): Symbol {
  let symbol = 0;
  for (let base = 1;; symbol++) {
    const bits = symbol < 4 ? 0 : Math.floor((symbol - 2) / 2);
    if (distance < base + 2 ** bits) return [symbol, distance - base, bits];
    base += 2 ** bits;
  }
}

/** Gives the symbols in use lengths that make a complete code: leaves of a random tree. */
function randomLengths(used: Set<number>, longest: number, random: Random): number[] {
  const symbols = [...used];
  const lengths: number[] = [];
  const leaves = [0];
  // A single symbol has a code of one bit, and leaves the other one open.
  if (symbols.length === 1) leaves[0] = 1;
  while (leaves.length < symbols.length) {
    // Mostly the tree grows where it can still grow much.
    const at = random.below(3) === 0 ? random.below(leaves.length) : shortest(leaves);
    const length = leaves[at] < longest ? leaves[at] + 1 : undefined;
    if (length === undefined) continue;
    leaves[at] = length;
    leaves.push(length);
  }
  for (const symbol of symbols) {
    const [length] = leaves.splice(random.below(leaves.length), 1);
    while (lengths.length <= symbol) lengths.push(0);
    lengths[symbol] = length;
  }
  return lengths;
}

function shortest(leaves: readonly number[]): number {
  return leaves.indexOf(Math.min(...leaves));
}

/** Section 3.2.2. */
function toCode(lengths: readonly number[]): Code {
  const codes: Code = [];
  let code = 0;
  for (let length = 1; length <= 15; length++) {
    code *= 2;
    lengths.forEach((each, symbol) => {
      if (each !== length) return;
      const value = code++;
      codes[symbol] = Array.from({ length }, (_, i) => (value >> (length - 1 - i)) & 1);
    });
  }
  return codes;
}

/** Section 3.2.7: repetitions are written as such, or not. */
function encodeRuns(lengths: readonly number[], random: Random): Symbol[] {
  const runs: Symbol[] = [];
  for (let i = 0; i < lengths.length;) {
    let count = 1;
    while (lengths[i + count] === lengths[i]) count++;
    const isShort = random.below(6) === 0;
    if (lengths[i] === 0 && count >= 11 && !isShort) {
      count = Math.min(count, 138);
      runs.push([18, count - 11, 7]);
    } else if (lengths[i] === 0 && count >= 3 && !isShort) {
      count = Math.min(count, 10);
      runs.push([17, count - 3, 3]);
    } else if (i > 0 && lengths[i] === lengths[i - 1] && count >= 3 && !isShort) {
      count = Math.min(count, 6);
      runs.push([16, count - 3, 2]);
    } else {
      count = 1;
      runs.push([lengths[i], 0, 0]);
    }
    i += count;
  }
  return runs;
}
