/** Characters past those that engines keep in one byte each. */
const WIDE = /[^\0-\xff]/;

/** The memory that the characters of a string take, in bytes. */
export function textSize(text: string): number {
  return text.length * (WIDE.test(text) ? 2 : 1);
}
