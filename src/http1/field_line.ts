import { isObject, isPlainObject } from "../values.ts";
import { classes, isToken, VALUE } from "./characters.ts";

/** Header fields: a `Headers`, an iterable of entries, or an object. */
export type HeaderFields =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string>>;

/** What only the opening handshake itself sets, in a request or a 101 response: in lower case. */
export const HANDSHAKE_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Gives the fields in order.
 *
 * @throws {TypeError} Where it is neither an iterable of pairs, such as a `Headers`, nor a plain object:
 * in other things fields may be found by chance.
 */
export function* entries(headers: HeaderFields | undefined): Generator<readonly [string, string]> {
  if (headers === undefined) return;
  if (!isIterable(headers)) {
    if (!isPlainObject(headers)) {
      throw new TypeError("Cannot set headers: they must be a Headers, pairs, or a plain object");
    }
    yield* Object.entries(headers);
    return;
  }
  for (const entry of headers) {
    if (!Array.isArray(entry) || entry.length !== 2) {
      throw new TypeError("Cannot set headers: an entry is no pair of a name and a value");
    }
    yield entry as unknown as readonly [string, string];
  }
}

function isIterable(headers: HeaderFields): headers is Iterable<readonly [string, string]> {
  return typeof headers === "string" || (isObject(headers) && Symbol.iterator in headers);
}

/**
 * Encodes a field, with the CR LF at its end.
 *
 * @throws {TypeError} Where it can't be sent. The message names the field.
 */
export function encodeField(name: string, value: string): string {
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(`Cannot set the header ${JSON.stringify(name)}: its name is no token`);
  }
  if (typeof value !== "string" || !isSendable(value)) {
    throw new TypeError(
      `Cannot set the header ${
        JSON.stringify(name)
      }: its value must be a string without CR, LF, NUL ` +
        "or other control characters, and without characters above U+00FF",
    );
  }
  return `${name}: ${value}\r\n`;
}

/** Whether a text can stand in a field value: nothing in it ends the line, or is lost in Latin-1. */
export function isSendable(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || (code < 0x80 && (classes[code]! & VALUE) === 0)) return false;
  }
  return true;
}
