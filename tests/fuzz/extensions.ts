/** Values of Sec-WebSocket-Extensions, put together of pieces. */

import { assert, assertEquals } from "@std/assert";
import { HandshakeError, parseExtensions } from "../../src/handshake/mod.ts";

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const VALUE = `(?:${TOKEN}|"(?:\\\\?[!#$%&'*+.^_\`|~0-9A-Za-z-])+")`;
const EXTENSION = `${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*${VALUE})?)*`;
/** An element of the list, at its simplest. */
const ELEMENT = new RegExp(`^[ \\t]*(?:${EXTENSION})?[ \\t]*$`);

const PIECES = [
  "a",
  "b",
  "0",
  ";",
  ";",
  ",",
  "=",
  '"',
  "\\",
  " ",
  "\t",
  "(",
  "\xe9",
  "a;b=c",
  '="x"',
];

/** Has a value parsed, and matched with the grammar. Returns whether it is valid. */
export function fuzzExtensions(random: () => number): boolean {
  let text = "";
  const count = Math.floor(random() * 9);
  for (let i = 0; i < count; i++) text += PIECES[Math.floor(random() * PIECES.length)];
  // No valid value has a comma within quotes, so that the list can be split first.
  const elements = text.split(",");
  const isValid = elements.every((each) => ELEMENT.test(each)) && /[^ \t,]/.test(text);
  let extensions: ReturnType<typeof parseExtensions> | undefined;
  try {
    extensions = parseExtensions(text);
  } catch (error) {
    assert(error instanceof HandshakeError && error.status === 400);
  }
  assertEquals(extensions !== undefined, isValid, JSON.stringify(text));
  if (extensions === undefined) return false;
  assertEquals(extensions.length, elements.filter((each) => /[^ \t]/.test(each)).length);
  // What was parsed can be written, and parses to the same.
  const written = extensions.map(({ name, parameters }) =>
    [name, ...parameters.map(([key, value]) => value === true ? key : `${key}=${value}`)].join(";")
  ).join();
  assertEquals(parseExtensions(written), extensions);
  return true;
}
