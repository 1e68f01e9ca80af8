/** Matches characters past Latin-1: engines store a string with one of them in two bytes a character. */
const WIDE = /[^\0-\xff]/;

/** The memory that an engine needs for the characters of a string, in bytes. */
export function textSize(text: string): number {
  return text.length * (WIDE.test(text) ? 2 : 1);
}
