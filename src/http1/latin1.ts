/** Latin-1, the encoding of an HTTP head: one byte a character (RFC 9110, section 5.5). */

// For ASCII only: a `TextDecoder` with the label "latin1" would decode windows-1252.
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A number of arguments that every engine can pass. */
const CHUNK = 4096;

/** Decodes Latin-1; `ascii` if all bytes are below 0x80. */
export function decodeLatin1(bytes: Uint8Array, ascii: boolean): string {
  if (ascii) return decoder.decode(bytes);
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return text;
}

/** Encodes a text whose characters are all at most U+00FF. */
export function encodeLatin1(text: string): Uint8Array<ArrayBuffer> {
  const utf8 = encoder.encode(text);
  // ASCII is the same in both.
  if (utf8.length === text.length) return utf8;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
