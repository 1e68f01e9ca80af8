import { invalidType } from "../checks.ts";
import { isObject, isPlainObject } from "../values.ts";
import { classes, isToken, VALUE } from "./characters.ts";

/** Header fields: a `Headers`, an iterable of entries, or an object. */
export type HeaderFields =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string>>;

/**
 * Gives the fields in order. Properties of objects of a class are not meant as fields: anything but pairs and plain
 * objects is a `TypeError`.
 */
export function* entries(headers: HeaderFields | undefined): Generator<readonly [string, string]> {
  if (headers === undefined) return;
  if (!isIterable(headers)) {
    if (!isPlainObject(headers)) {
      throw invalidType("headers", "a Headers, an iterable of pairs or a plain object", headers);
    }
    yield* Object.entries(headers);
    return;
  }
  for (const entry of headers) {
    if (!Array.isArray(entry) || entry.length !== 2) {
      // The entry is not shown: it may hold credentials.
      throw new TypeError("headers must be pairs of a name and a value");
    }
    yield entry as unknown as readonly [string, string];
  }
}

function isIterable(headers: HeaderFields): headers is Iterable<readonly [string, string]> {
  return typeof headers === "string" || (isObject(headers) && Symbol.iterator in headers);
}

/** Encodes a field, with its CR LF. @throws {TypeError} If it can't be sent. The message names the field. */
export function encodeField(name: string, value: string): string {
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(
      `Cannot set the header ${JSON.stringify(name)}: its name must be a token`,
    );
  }
  if (typeof value !== "string" || !isSendable(value)) {
    const shown = JSON.stringify(name);
    throw new TypeError(
      `Cannot set the header ${shown}: its value must be a string without CR, LF, NUL or other ` +
        "control characters, and without characters above U+00FF",
    );
  }
  return `${name}: ${value}\r\n`;
}

/** Whether a text can be sent in a field value: it has no control characters, and is Latin-1. */
export function isSendable(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || (code < 0x80 && (classes[code]! & VALUE) === 0)) return false;
  }
  return true;
}
