/** Lists in header fields: of extensions, and of tokens. */

import { HandshakeError, parseExtensions, parseTokenList } from "../../src/handshake/mod.ts";
import { includesToken } from "../../src/http1/field_values.ts";
import type { Random } from "../codec/support.ts";
import { check, type Target, type TextInput } from "./target.ts";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const QUOTED_TOKEN = /^"((?:\\?[!#$%&'*+.^_`|~0-9A-Za-z-])+)"$/;

/** An extension that is offered. */
export interface Extension {
  name: string;
  parameters: [name: string, value: string | true][];
}

/** Reads a list of extensions by taking it apart; `undefined` where it is malformed. */
export function readExtensions(text: string): Extension[] | undefined {
  const extensions: Extension[] = [];
  // Separators within quotes make a value malformed, be it taken apart there or not.
  for (const element of text.split(",").map(trim)) {
    if (element === "") continue;
    const [name, ...parameters] = element.split(";").map(trim);
    if (!TOKEN.test(name)) return undefined;
    const extension: Extension = { name, parameters: [] };
    for (const parameter of parameters) {
      const [key, value, ...more] = parameter.split("=").map(trim);
      if (!TOKEN.test(key) || more.length > 0) return undefined;
      const quoted = value === undefined ? null : QUOTED_TOKEN.exec(value);
      if (value === undefined) extension.parameters.push([key, true]);
      else if (quoted !== null) extension.parameters.push([key, quoted[1].replaceAll("\\", "")]);
      else if (TOKEN.test(value)) extension.parameters.push([key, value]);
      else return undefined;
    }
    extensions.push(extension);
  }
  return extensions.length > 0 ? extensions : undefined;
}

/** Reads a list of tokens; `undefined` where it is malformed. */
export function readTokens(text: string): string[] | undefined {
  const tokens = text.split(",").map(trim).filter((element) => element !== "");
  return tokens.length > 0 && tokens.every((each) => TOKEN.test(each)) ? tokens : undefined;
}

/** Leaves out the spaces and tabs around a text; `trim()` would leave out others too. */
export function trim(text: string): string {
  return text.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
}

const PIECES = [
  ...'ab0;;;,,==""\\  \t(\xe9\xa0\0\x7f\x0b\u0141',
  "a;b=c",
  '="x"',
  '="\\x"',
  '=""',
  "; c",
  "__proto__",
  "permessage-deflate; client_max_window_bits",
  '; server_max_window_bits="1\\0"',
];

/** A list that is well-formed, mostly, before pieces are put into it. */
function makeList(element: () => string, pieces: readonly string[], random: Random): string {
  let text = "";
  for (let count = random.below(5); count > 0; count--) {
    text += (random.below(8) === 0 ? "" : element()) + random.pick(["", " ", "\t"]);
    if (count > 1 || random.below(6) === 0) text += random.pick([",", ", ", " ,"]);
  }
  for (let count = random.below(6) - 2; count > 0; count--) {
    const at = random.below(text.length + 1);
    text = text.slice(0, at) + random.pick(pieces) + text.slice(at + random.below(3));
  }
  return text;
}

function makeExtension(random: Random): string {
  const blank = () => random.pick(["", "", " ", "\t "]);
  let text = random.pick(["permessage-deflate", "a", "__proto__", "!~"]);
  for (let count = random.below(3); count > 0; count--) {
    text += blank() + ";" + blank() + random.pick(["c", "server_max_window_bits", "constructor"]);
    const value = random.pick(["", "10", '"10"', '"\\1\\0"', '"a\\z"', "0"]);
    if (value !== "") text += blank() + "=" + blank() + value;
  }
  return text;
}

export const EXTENSIONS: Target<TextInput> = {
  make: (random) => ({ text: makeList(() => makeExtension(random), PIECES, random) }),

  check({ text }) {
    const expected = readExtensions(text);
    const parsed = refusedAs400(() => parseExtensions(text));
    const message = () =>
      `${JSON.stringify(parsed)} instead of ${JSON.stringify(expected)}: ${JSON.stringify(text)}`;
    check(JSON.stringify(parsed) === JSON.stringify(expected), message);
    if (parsed === undefined) return "refused";
    // What was parsed can be written, and parses to the same.
    const written = parsed.map(({ name, parameters }) =>
      [name, ...parameters.map(([key, value]) => value === true ? key : `${key}=${value}`)]
        .join(";")
    ).join();
    check(JSON.stringify(parseExtensions(written)) === JSON.stringify(parsed), message);
    return "accepted";
  },
};

const TOKENS = [
  "websocket",
  "WebSocket",
  "upgrade",
  "UPGRADE",
  "keep-alive",
  "a",
  "!#$%&'*+-.^_`|~",
];
const TOKEN_PIECES = [...'aZ~,,,,  \t;="/(\xe9\xa0\0\x7f\u0141', "webSoc\u212aet", "websocket"];

export const TOKEN_LISTS: Target<TextInput> = {
  make: (random) => ({ text: makeList(() => random.pick(TOKENS), TOKEN_PIECES, random) }),

  check({ text }) {
    const expected = readTokens(text);
    const parsed = refusedAs400(() => parseTokenList(text, "Connection"));
    check(
      JSON.stringify(parsed) === JSON.stringify(expected),
      () => `${JSON.stringify(parsed)} instead of ${JSON.stringify(expected)}: ${quote(text)}`,
    );
    for (const token of ["websocket", "upgrade", "a"]) {
      const pattern = new RegExp(`^[ \\t]*${token}[ \\t]*$`, "i");
      // A header is of Latin-1: U+212A, whose lower case is "k", can't be in one.
      if (/[^\0-\xff]/.test(text)) continue;
      check(
        includesToken(text, token) === text.split(",").some((each) => pattern.test(each)),
        () => `includesToken ${token}: ${quote(text)}`,
      );
    }
    return expected === undefined ? "refused" : "accepted";
  },
};

function refusedAs400<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HandshakeError && error.status === 400) return undefined;
    throw error;
  }
}

function quote(text: string): string {
  return JSON.stringify(text);
}
