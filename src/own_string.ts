/** A longer string is not copied: it is itself a large part of any message that it may be a slice of. */
const MAX_COPIED = 64 * 1024;

/**
 * Copies a string that is stored for long. Engines make a slice a view of the whole string, so a short name
 * could keep a large message in memory.
 */
export function ownString(text: string): string {
  // JSON, unlike UTF-8, preserves lone surrogates.
  return text.length > MAX_COPIED ? text : JSON.parse(JSON.stringify(text));
}
