/** The character classes of RFC 9110 and RFC 3986, as one table: a test takes one look-up. */

/** A character of a token (RFC 9110, section 5.6.2). */
export const TOKEN = 1;
/** A character of a request target. */
export const TARGET = 2;
/** A character of a field value (RFC 9110, section 5.5), apart from obs-text. */
export const VALUE = 4;
/** A character of a host name: `reg-name` of RFC 3986, section 3.2.2, without percent-encoding. */
export const HOST = 8;

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const DQUOTE = 0x22;
export const COLON = 0x3a;

export const classes: Uint8Array = createClasses();

function createClasses(): Uint8Array {
  const table = new Uint8Array(256);
  const add = (characters: string, bits: number): void => {
    for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)]! |= bits;
  };
  const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  add(alphanumeric, TOKEN | HOST);
  add("!#$%&'*+-.^_`|~", TOKEN);
  add("-._~!$&'()*+,;=", HOST);
  for (let byte = SP; byte <= 0x7e; byte++) table[byte]! |= VALUE;
  table[HTAB]! |= VALUE;
  // More than RFC 3986 allows: browsers do not encode {, }, |, [, ], ^, ` and \ in a query.
  for (let byte = SP + 1; byte <= 0x7e; byte++) table[byte]! |= TARGET;
  // A fragment is never sent (RFC 9112, section 3.2).
  table["#".charCodeAt(0)]! &= ~TARGET;
  return table;
}

/** Whether all characters of `text` are of the class; `false` for `""`. */
export function isAll(text: string, bits: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || (classes[code]! & bits) === 0) return false;
  }
  return text.length > 0;
}

/** Whether `text` is a token (RFC 9110, section 5.6.2). */
export function isToken(text: string): boolean {
  return isAll(text, TOKEN);
}

/** Whether `text` is one or more decimal digits. */
export function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return text.length > 0;
}

/** Slices `text` from `start` to `end` (exclusive), without the spaces and tabs around it. */
export function sliceTrimmed(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Whether the code is that of a space or tab (OWS, RFC 9110, section 5.6.3). */
export function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}
