/**
 * UTF-8 as RFC 3629, section 4 defines it: its grammar as a table, matched octet by octet.
 *
 * @module
 */

type Range = readonly [first: number, last: number];
const TAIL: Range = [0x80, 0xbf];

/** UTF8-octets = *( UTF8-char ), one row for each alternative of UTF8-char. */
const CHARACTERS: readonly Range[][] = [
  [[0x00, 0x7f]],
  [[0xc2, 0xdf], TAIL],
  [[0xe0, 0xe0], [0xa0, 0xbf], TAIL],
  [[0xe1, 0xec], TAIL, TAIL],
  [[0xed, 0xed], [0x80, 0x9f], TAIL],
  [[0xee, 0xef], TAIL, TAIL],
  [[0xf0, 0xf0], [0x90, 0xbf], TAIL, TAIL],
  [[0xf1, 0xf3], TAIL, TAIL, TAIL],
  [[0xf4, 0xf4], [0x80, 0x8f], TAIL, TAIL],
];

/** What can be said of the beginning of a text. */
export interface Utf8Prefix {
  /** The first octet that no valid text can have at its place. */
  impossibleAt: number | undefined;
  /** Whether it ends at the end of a code point. */
  complete: boolean;
}

export function readUtf8(bytes: Uint8Array): Utf8Prefix {
  let rows = CHARACTERS;
  let place = 0;
  for (let i = 0; i < bytes.length; i++) {
    rows = rows.filter((row) => bytes[i] >= row[place][0] && bytes[i] <= row[place][1]);
    if (rows.length === 0) return { impossibleAt: i, complete: false };
    place++;
    if (rows[0].length === place) {
      rows = CHARACTERS;
      place = 0;
    }
  }
  return { impossibleAt: undefined, complete: place === 0 };
}
