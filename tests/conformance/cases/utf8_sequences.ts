/**
 * Byte sequences that are UTF-8, and that are not, for section 6.
 *
 * @module
 */

import { concatBytes, isReferenceUtf8 } from "../../support/reference_frames.ts";

/** Byte sequences of one kind. */
export interface SequenceGroup {
  name: string;
  sequences: Uint8Array[];
}

/** Encodes a code point in as many bytes as asked, also where it takes fewer, or has none. */
function encodeIn(byteCount: 1 | 2 | 3 | 4 | 5 | 6, value: number): Uint8Array {
  if (byteCount === 1) return Uint8Array.of(value);
  const bytes = new Uint8Array(byteCount);
  let rest = value;
  for (let i = byteCount - 1; i > 0; i--) {
    bytes[i] = 0x80 + rest % 64;
    rest = Math.floor(rest / 64);
  }
  bytes[0] = ((0xff00 >> byteCount) & 0xff) + rest;
  return bytes;
}

/** Encodes a code point as UTF-8 does. A surrogate is encoded too, which UTF-8 doesn't. */
function encodeCodePoint(codePoint: number): Uint8Array {
  if (codePoint < 0x80) return encodeIn(1, codePoint);
  if (codePoint < 0x800) return encodeIn(2, codePoint);
  if (codePoint < 0x10000) return encodeIn(3, codePoint);
  return encodeIn(4, codePoint);
}

/** Gives the whole numbers from `first` to `last`. */
function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

const PLANES = range(0, 16);

export const VALID_SEQUENCES: SequenceGroup[] = [
  {
    name: "the first and last code points of each length",
    sequences: [0x0, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff].map(encodeCodePoint),
  },
  {
    name: "code points beside the surrogates and at other edges",
    sequences: [0xd7ff, 0xe000, 0xfffd, 0xfff, 0x1000, 0xcfff, 0xd000, 0x3ffff, 0x40000, 0xfffff]
      .map(encodeCodePoint),
  },
  {
    name: "the 66 noncharacters",
    sequences: [
      ...range(0xfdd0, 0xfdef),
      ...PLANES.flatMap((plane) => [plane * 0x10000 + 0xfffe, plane * 0x10000 + 0xffff]),
    ].map(encodeCodePoint),
  },
  {
    name: "specials, the byte order mark and separators",
    sequences: [...range(0xfff9, 0xffff), 0xfeff, 0x2028, 0x2029, 0x200d].map(encodeCodePoint),
  },
  {
    name: "text of many scripts",
    sequences: ["κόσμε", "Grüße", "日本語", "שלום", "👩‍👩‍👧‍👦", "𐍈𝄞", "e\u0301", "\u0000\u0001"].map((
      text,
    ) => new TextEncoder().encode(text)),
  },
  {
    name: "a byte order mark before and within text",
    sequences: ["\ufeffmark", "mark\ufeffmark", "\ufeff", "\ufeff\ufeff"].map((text) =>
      new TextEncoder().encode(text)
    ),
  },
];

/** Every code point there is, in ranges of at most 65,536. */
export const CODE_POINT_RANGES: { name: string; encode: () => Uint8Array }[] = [
  [0x0, 0x7f],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  ...PLANES.slice(1).map((plane) => [plane * 0x10000, plane * 0x10000 + 0xffff]),
].map(([first, last]) => ({
  name: `U+${first.toString(16).toUpperCase()} to U+${last.toString(16).toUpperCase()}`,
  encode: () => concatBytes(range(first, last).map(encodeCodePoint)),
}));

const SURROGATES = [0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff];

export const INVALID_SEQUENCES: SequenceGroup[] = [
  {
    name: "surrogate",
    sequences: SURROGATES.map(encodeCodePoint),
  },
  {
    name: "pair of surrogates",
    sequences: SURROGATES.slice(0, 4).flatMap((high) =>
      [0xdc00, 0xdfff].map((low) => concatBytes([encodeCodePoint(high), encodeCodePoint(low)]))
    ),
  },
  {
    name: "overlong slash",
    sequences: ([2, 3, 4, 5, 6] as const).map((byteCount) => encodeIn(byteCount, 0x2f)),
  },
  {
    name: "overlong NUL",
    sequences: ([2, 3, 4, 5, 6] as const).map((byteCount) => encodeIn(byteCount, 0)),
  },
  {
    name: "longest overlong",
    sequences: [
      encodeIn(2, 0x7f),
      encodeIn(3, 0x7ff),
      encodeIn(4, 0xffff),
      encodeIn(5, 0x1fffff),
      encodeIn(6, 0x3ffffff),
    ],
  },
  {
    name: "beyond U+10FFFF",
    sequences: [
      encodeIn(4, 0x110000),
      encodeIn(4, 0x13ffff),
      encodeIn(4, 0x140000),
      encodeIn(4, 0x1fffff),
      encodeIn(5, 0x200000),
      encodeIn(5, 0x3ffffff),
      encodeIn(6, 0x4000000),
      encodeIn(6, 0x7fffffff),
    ],
  },
  {
    name: "continuation byte out of place",
    sequences: [
      [0x80],
      [0xbf],
      [0x80, 0xbf],
      [0x80, 0xbf, 0x80],
      range(0x80, 0xbf),
      [0xc2, 0x80, 0x80],
      [0xe1, 0x80, 0x80, 0x80],
      [0xf1, 0x80, 0x80, 0x80, 0x80],
    ].map((bytes) => Uint8Array.from(bytes)),
  },
  {
    name: "start byte without its rest",
    sequences: [range(0xc0, 0xdf), range(0xe0, 0xef), range(0xf0, 0xf7), range(0xf8, 0xff)].flatMap(
      (starts) => [
        Uint8Array.from(starts),
        Uint8Array.from(starts.flatMap((start) => [start, 0x20])),
      ],
    ),
  },
  {
    name: "byte that never occurs",
    sequences: [0xc0, 0xc1, ...range(0xf5, 0xff)].map((byte) => Uint8Array.of(byte)),
  },
  {
    name: "incomplete code point, then text",
    sequences: [
      [0xc2],
      [0xdf],
      [0xe0, 0xa0],
      [0xef, 0xbf],
      [0xf0, 0x90, 0x80],
      [0xf4, 0x8f, 0xbf],
    ].map((bytes) => Uint8Array.of(...bytes, 0x41)),
  },
];

/** Beginnings of code points, at which a text message may not end. */
export const INCOMPLETE_SEQUENCES: Uint8Array[] = [
  [0xc2],
  [0xdf],
  [0xe0],
  [0xe0, 0xa0],
  [0xe1],
  [0xec, 0x80],
  [0xed, 0x9f],
  [0xef, 0xbf],
  [0xf0],
  [0xf0, 0x90],
  [0xf0, 0x90, 0x80],
  [0xf1, 0x80],
  [0xf4, 0x8f],
  [0xf4, 0x8f, 0xbf],
].map((bytes) => Uint8Array.from(bytes));

// Where a valid text is cut, one of these makes it whole again.
const COMPLETIONS = [[], [0x80], [0x80, 0x80], [0x80, 0x80, 0x80], [0xa0, 0x80], [0x90, 0x80, 0x80]]
  .map((bytes) => Uint8Array.from(bytes));

/** Tells whether a valid text can begin with the bytes. */
export function isPossible(bytes: Uint8Array): boolean {
  return COMPLETIONS.some((completion) => isReferenceUtf8(concatBytes([bytes, completion])));
}

/** Gives the length up to and with the first byte that no valid text can have there. */
export function impossibleAt(bytes: Uint8Array): number {
  for (let length = 1; length <= bytes.length; length++) {
    if (!isPossible(bytes.subarray(0, length))) return length;
  }
  throw new TypeError("The bytes may begin a valid text");
}

// One prefix for each state a validator can be in, and bytes on both sides of each edge.
const PREFIXES = [
  [],
  [0xc2],
  [0xdf],
  [0xe0],
  [0xe1],
  [0xec],
  [0xed],
  [0xee],
  [0xf0],
  [0xf1],
  [0xf4],
  [0xe0, 0xa0],
  [0xe1, 0x80],
  [0xed, 0x80],
  [0xf0, 0x90],
  [0xf1, 0x80],
  [0xf4, 0x80],
  [0xf0, 0x90, 0x80],
  [0xf1, 0x80, 0x80],
  [0xf4, 0x80, 0x80],
];
const EDGES = [
  0x00,
  0x7f,
  0x80,
  0x8f,
  0x90,
  0x9f,
  0xa0,
  0xbf,
  0xc0,
  0xc1,
  0xc2,
  0xdf,
  0xe0,
  0xef,
  0xf0,
  0xf4,
  0xf5,
  0xff,
];

/** Sequences whose last byte, and no earlier one, is impossible. */
export const IMPOSSIBLE_LAST_BYTES: Uint8Array[] = PREFIXES.flatMap((prefix) =>
  EDGES.map((edge) => Uint8Array.of(...prefix, edge)).filter((bytes) => !isPossible(bytes))
);
