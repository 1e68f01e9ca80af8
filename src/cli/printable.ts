const BYTES_PER_LINE = 16;
export const MAX_SHOWN_BYTES = 512;

/** Escapes the characters of a text that could control a terminal. Line ends and tabs stay. */
export function toPrintable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}]/gu,
    (char) => char === "\n" || char === "\t" ? char : toEscape(char.charCodeAt(0)),
  );
}

/** Escapes a text as {@linkcode toPrintable} does, and puts it on one line. */
export function toPrintableLine(text: string): string {
  return toPrintable(text.trim().replace(/\s+/g, " "));
}

/**
 * Formats bytes as hexadecimal digits and as characters: on one line for up to 16 bytes, and at most
 * {@linkcode MAX_SHOWN_BYTES} of them.
 *
 * @param bytes The bytes, or the first of them.
 * @param size The total number of bytes.
 */
export function toHexDump(bytes: Uint8Array, size: number = bytes.length): string {
  const label = `${size} ${size === 1 ? "byte" : "bytes"}`;
  if (size === 0) return label;
  if (size <= BYTES_PER_LINE) return `${label}: ${toHexLine(bytes)}`;
  const shown = bytes.subarray(0, MAX_SHOWN_BYTES);
  const lines = [`${label}:`];
  for (let start = 0; start < shown.length; start += BYTES_PER_LINE) {
    const offset = start.toString(16).padStart(8, "0");
    const line = shown.subarray(start, start + BYTES_PER_LINE);
    lines.push(`${offset}  ${toHexLine(line, BYTES_PER_LINE)}`);
  }
  if (size > shown.length) lines.push(`... and ${size - shown.length} more`);
  return lines.join("\n");
}

/** Parses hexadecimal digits, with or without whitespace; returns `undefined` for other text. */
export function parseHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/g, "");
  if (digits.length % 2 !== 0 || !/^[\da-f]*$/i.test(digits)) return undefined;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function toHexLine(bytes: Uint8Array, width = 0): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const isAscii = (byte: number) => byte >= 0x20 && byte <= 0x7e;
  const text = Array.from(bytes, (byte) => isAscii(byte) ? String.fromCharCode(byte) : ".");
  return `${hex.padEnd(width * 3 - 1)}  |${text.join("")}|`;
}

function toEscape(code: number): string {
  if (code === 0x0d) return "\\r";
  const hex = code.toString(16);
  return code <= 0xff ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
}
