/** A longer string keeps little more in memory than itself, in proportion, whatever it is a part of. */
const MAX_COPIED = 64 * 1024;

/**
 * Copies a string that is kept. Engines make a slice of a string a view, which keeps all of that in
 * memory: a short name may be a part of a large message.
 */
export function ownString(text: string): string {
  // Not by way of UTF-8, which has no lone surrogates.
  return text.length > MAX_COPIED ? text : JSON.parse(JSON.stringify(text));
}
