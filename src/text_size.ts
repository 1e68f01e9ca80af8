/** Matches characters past Latin-1: engines store a string with one of them in two bytes a character. */
const WIDE = /[^\0-\xff]/;

const encoder = new TextEncoder();

/** The memory that an engine needs for the characters of a string, in bytes. */
export function textSize(text: string): number {
  return text.length * (WIDE.test(text) ? 2 : 1);
}

/** Returns the length of a text in bytes of UTF-8 if it is more than `max`, and `undefined` otherwise. */
export function utf8LengthAbove(text: string, max: number): number | undefined {
  // A UTF-16 code unit takes at most three bytes of UTF-8.
  if (text.length * 3 <= max) return undefined;
  const { length } = encoder.encode(text);
  return length > max ? length : undefined;
}
