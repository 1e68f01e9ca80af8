/**
 * DEFLATE as RFC 1951 has it, read bit by bit, with all bytes at hand, and the messages of RFC 7692
 * upon it. What the RFC leaves open is as in zlib.
 *
 * @module
 */

import { concatBytes } from "../support/reference_frames.ts";

/** What a sender removes from the end of a message (RFC 7692, section 7.2.1). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Past so many bytes a message is of no interest: every limit is below. */
const MAX_OUTPUT = 400_000;

/** What became of a message, or of what there is of it. */
export interface Inflated {
  output: Uint8Array;
  /** Whether something in it is no DEFLATE. */
  isCorrupt: boolean;
  /** Whether it has more blocks with BFINAL set than it may. */
  hasTooManyEnds: boolean;
}

/** Inflates the messages of one direction. */
export class ReferenceInflater {
  readonly #keepsWindow: boolean;
  /** How far back a match may be. */
  readonly #windowSize: number;
  /** The input of messages before that belongs to the DEFLATE stream that is not at its end. */
  #history: Uint8Array = new Uint8Array(0);
  /** Whether the message before ended with the end of a DEFLATE stream. */
  #isEnded = false;

  constructor(keepsWindow: boolean, windowBits = 15) {
    this.#keepsWindow = keepsWindow;
    this.#windowSize = 2 ** windowBits;
  }

  /** Inflates what there is of a message; it counts as one of the messages before where it is whole. */
  inflate(payload: Uint8Array, isWhole: boolean): Inflated {
    const result: Inflated = {
      output: new Uint8Array(0),
      isCorrupt: false,
      hasTooManyEnds: false,
    };
    // A message without any payload is empty, and nothing else.
    if (payload.length === 0) return result;
    const before = this.#history.length;
    const tailStart = before + payload.length;
    const input = concatBytes([this.#history, payload, isWhole ? TAIL : new Uint8Array(0)]);
    const output: number[] = [];
    let known = inflateStream(this.#history, 0, this.#windowSize).output.length;
    let start = 0;
    let isEnded = this.#isEnded;
    let ends = 0;
    for (;;) {
      if (isEnded) {
        result.hasTooManyEnds ||= ++ends > 1024 + Math.max(0, start - before) / 64;
        // What follows is the tail of an empty block that was left out.
        if (start >= tailStart) start = input.length;
      }
      const stream = inflateStream(input, start, this.#windowSize);
      for (let i = known; i < stream.output.length; i++) output.push(stream.output[i]);
      known = 0;
      result.isCorrupt = stream.isCorrupt;
      isEnded = stream.end !== undefined;
      if (stream.end !== undefined) start = stream.end;
      if (!isEnded || start === input.length || output.length > MAX_OUTPUT) break;
    }
    result.output = Uint8Array.from(output);
    if (isWhole && this.#keepsWindow) {
      this.#history = input.subarray(start);
      this.#isEnded = isEnded;
    }
    return result;
  }
}

/** One DEFLATE stream, as far as it goes. */
interface Stream {
  output: number[];
  /** Where the octet ends in which the last block does, if it is there. */
  end: number | undefined;
  isCorrupt: boolean;
}

class Corrupt extends Error {}
class EndOfInput extends Error {}

/** Inflates from an octet on, up to the end of a block with BFINAL set. */
function inflateStream(input: Uint8Array, start: number, windowSize: number): Stream {
  const bits = new Bits(input, start);
  const output: number[] = [];
  try {
    for (let isFinal = false; !isFinal;) {
      isFinal = bits.read(1) === 1;
      const type = bits.read(2);
      if (type === 0) inflateStored(bits, output);
      else if (type === 1) {
        inflateSymbols(bits, FIXED_LITERALS, FIXED_DISTANCES, output, windowSize);
      } else if (type === 2) inflateDynamic(bits, output, windowSize);
      else throw new Corrupt();
      if (output.length > MAX_OUTPUT) break;
    }
    return { output, end: bits.nextOctet(), isCorrupt: false };
  } catch (error) {
    if (error instanceof EndOfInput) return { output, end: undefined, isCorrupt: false };
    if (error instanceof Corrupt) return { output, end: undefined, isCorrupt: true };
    throw error;
  }
}

/** Section 3.1.1: the bits of each octet, the least significant one first. */
class Bits {
  readonly #bytes: Uint8Array;
  #position: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#position = start * 8;
  }

  read(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      if (this.#position === this.#bytes.length * 8) throw new EndOfInput();
      const octet = this.#bytes[Math.floor(this.#position / 8)];
      value += ((octet >> (this.#position++ % 8)) & 1) * 2 ** i;
    }
    return value;
  }

  /** Reads a whole octet, at a border of octets. */
  readOctet(): number {
    const octet = this.#position / 8;
    if (octet === this.#bytes.length) throw new EndOfInput();
    this.#position += 8;
    return this.#bytes[octet];
  }

  /** Goes to the next border of octets, and tells which it is. */
  nextOctet(): number {
    const octet = Math.ceil(this.#position / 8);
    this.#position = octet * 8;
    return octet;
  }
}

/** Section 3.2.2: symbols by their codes, before which a 1 is set so that leading zeros count. */
interface Code {
  symbols: Map<number, number>;
  longest: number;
}

function makeCode(lengths: readonly number[], mayBeIncomplete: boolean): Code {
  const symbols = new Map<number, number>();
  const longest = Math.max(...lengths);
  let code = 0;
  for (let length = 1; length <= longest; length++) {
    code *= 2;
    lengths.forEach((each, symbol) => {
      if (each === length) symbols.set(2 ** length + code++, symbol);
    });
    if (code > 2 ** length) throw new Corrupt();
  }
  // Zlib takes an incomplete code only where it has a single symbol, of one bit, or none at all.
  const isComplete = code === 2 ** longest;
  if (!isComplete && longest > 0 && !(mayBeIncomplete && longest === 1)) throw new Corrupt();
  return { symbols, longest };
}

function readSymbol(bits: Bits, { symbols, longest }: Code): number {
  let code = 1;
  do {
    code = code * 2 + bits.read(1);
    const symbol = symbols.get(code);
    if (symbol !== undefined) return symbol;
  } while (code < 2 ** longest);
  throw new Corrupt();
}

/** Section 3.2.4. */
function inflateStored(bits: Bits, output: number[]): void {
  bits.nextOctet();
  const length = bits.read(16);
  if (bits.read(16) !== 0xffff - length) throw new Corrupt();
  for (let i = 0; i < length; i++) output.push(bits.readOctet());
}

/** Section 3.2.6. */
const FIXED_LITERALS = makeCode(
  Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8),
  false,
);
const FIXED_DISTANCES = makeCode(Array.from({ length: 32 }, () => 5), false);

/** Section 3.2.7. */
const LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function inflateDynamic(bits: Bits, output: number[], windowSize: number): void {
  const literals = bits.read(5) + 257;
  const distances = bits.read(5) + 1;
  const lengthCodes = bits.read(4) + 4;
  if (literals > 286 || distances > 30) throw new Corrupt();
  const lengthLengths = Array.from({ length: 19 }, () => 0);
  for (let i = 0; i < lengthCodes; i++) lengthLengths[LENGTHS_ORDER[i]] = bits.read(3);
  const lengthCode = makeCode(lengthLengths, false);

  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    // Where there is no code at all, zlib takes each bit for a length of 0.
    const symbol = lengthCode.longest === 0 ? bits.read(1) * 0 : readSymbol(bits, lengthCode);
    if (symbol < 16) {
      lengths.push(symbol);
      continue;
    }
    const count = symbol === 16
      ? 3 + bits.read(2)
      : symbol === 17
      ? 3 + bits.read(3)
      : 11 + bits.read(7);
    if (symbol === 16 && lengths.length === 0) throw new Corrupt();
    const length = symbol === 16 ? lengths.at(-1)! : 0;
    for (let i = 0; i < count; i++) lengths.push(length);
    if (lengths.length > literals + distances) throw new Corrupt();
  }
  if (lengths[256] === 0) throw new Corrupt();
  const literalCode = makeCode(lengths.slice(0, literals), true);
  const distanceCode = makeCode(lengths.slice(literals), true);
  inflateSymbols(bits, literalCode, distanceCode, output, windowSize);
}

/** Section 3.2.5: the first length of each symbol from 257 on, and the extra bits. */
const LENGTHS: [base: number, extra: number][] = [];
for (let symbol = 257, base = 3; symbol < 285; symbol++) {
  const extra = symbol < 265 ? 0 : Math.floor((symbol - 261) / 4);
  LENGTHS.push([base, extra]);
  base += 2 ** extra;
}
LENGTHS.push([258, 0]);

/** The first distance of each symbol, and the extra bits. */
const DISTANCES: [base: number, extra: number][] = [];
for (let symbol = 0, base = 1; symbol < 30; symbol++) {
  const extra = symbol < 4 ? 0 : Math.floor((symbol - 2) / 2);
  DISTANCES.push([base, extra]);
  base += 2 ** extra;
}

function inflateSymbols(
  bits: Bits,
  literals: Code,
  distances: Code,
  output: number[],
  windowSize: number,
): void {
  while (output.length <= MAX_OUTPUT) {
    const symbol = readSymbol(bits, literals);
    if (symbol < 256) {
      output.push(symbol);
      continue;
    }
    if (symbol === 256) return;
    if (symbol > 285) throw new Corrupt();
    const [lengthBase, lengthExtra] = LENGTHS[symbol - 257];
    const length = lengthBase + bits.read(lengthExtra);
    const distanceSymbol = readSymbol(bits, distances);
    if (distanceSymbol > 29) throw new Corrupt();
    const [distanceBase, distanceExtra] = DISTANCES[distanceSymbol];
    const distance = distanceBase + bits.read(distanceExtra);
    if (distance > Math.min(output.length, windowSize)) throw new Corrupt();
    for (let i = 0; i < length; i++) output.push(output[output.length - distance]);
  }
}
