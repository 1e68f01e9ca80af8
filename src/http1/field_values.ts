import type { HandshakeError } from "../errors.ts";
import { classes, DQUOTE, isBlank, isToken, sliceTrimmed, TOKEN } from "./characters.ts";
import { requestError } from "./request_error.ts";

/** An extension that a client offers, or a server accepts (RFC 6455, section 9.1). */
export interface ExtensionOffer {
  /** The extension token, as sent. */
  name: string;
  /**
   * The parameters in order; a parameter without a value has `true`. Quoted values are unquoted. A name may
   * occur twice: the extension decides what that means.
   */
  parameters: Array<[name: string, value: string | true]>;
}

/**
 * Parses a comma-separated list of tokens, such as the value of `Connection` (RFC 9110, section
 * 5.6.1). Empty elements are ignored, as the RFC requires of recipients.
 *
 * @param value The value of the field; the values of several fields of a name are joined with `", "`.
 * @param fieldName The name of the field, for the error message.
 * @returns The tokens in order, as sent.
 * @throws {HandshakeError} With status 400, if an element is not a token, or there is none.
 */
export function parseTokenList(value: string, fieldName: string): string[] {
  const tokens = splitList(value);
  if (tokens.length === 0 || !tokens.every(isToken)) throw malformed(fieldName);
  return tokens;
}

/** Whether one of the comma-separated elements of `value` is `token`, which is in lower case. */
export function includesToken(value: string, token: string): boolean {
  return value === token || splitList(value.toLowerCase()).includes(token);
}

/**
 * Whether `value` is a valid value of `Upgrade` (RFC 9110, section 7.8): a list of protocols, each a token,
 * with or without a version after a slash. Empty elements are ignored.
 */
export function isProtocolList(value: string): boolean {
  return splitList(value).every((protocol) => {
    const slash = protocol.indexOf("/");
    if (slash === -1) return isToken(protocol);
    return isToken(protocol.slice(0, slash)) && isToken(protocol.slice(slash + 1));
  });
}

/** Splits a comma-separated list into its elements, without the empty ones. */
function splitList(value: string): string[] {
  // Most lists are one token.
  if (isToken(value)) return [value];
  return value.split(",").map((element) => sliceTrimmed(element, 0, element.length)).filter(
    Boolean,
  );
}

/**
 * Parses the value of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1). Empty elements of the list
 * are ignored, as RFC 9110, section 5.6.1, requires of recipients.
 *
 * @param value The value of the field; the values of several fields are joined with `", "`.
 * @returns The extensions in order of preference.
 * @throws {HandshakeError} With status 400, if the value does not conform to the grammar.
 *
 * @example
 * ```ts
 * import { parseExtensions } from "@sluice/websocket/handshake";
 *
 * parseExtensions('permessage-deflate; server_max_window_bits="10"; client_max_window_bits');
 * // [{
 * //   name: "permessage-deflate",
 * //   parameters: [["server_max_window_bits", "10"], ["client_max_window_bits", true]],
 * // }]
 * ```
 */
export function parseExtensions(value: string): ExtensionOffer[] {
  const extensions = new ExtensionParser(value).parse();
  if (extensions.length === 0) throw malformed("Sec-WebSocket-Extensions");
  return extensions;
}

/** Parses an extension list in one pass. */
class ExtensionParser {
  readonly #text: string;
  #index = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ExtensionOffer[] {
    const extensions: ExtensionOffer[] = [];
    do {
      this.#skipBlanks();
      if (this.#index === this.#text.length || this.#text[this.#index] === ",") continue;
      const name = this.#token();
      const parameters: ExtensionOffer["parameters"] = [];
      while (this.#skip(";")) {
        this.#skipBlanks();
        parameters.push(this.#parameter());
      }
      extensions.push({ name, parameters });
    } while (this.#skip(","));
    if (this.#index !== this.#text.length) throw malformed("Sec-WebSocket-Extensions");
    return extensions;
  }

  #parameter(): [name: string, value: string | true] {
    const name = this.#token();
    // RFC 6455 uses the grammar of RFC 2616, which allows whitespace around any separator.
    if (!this.#skip("=")) return [name, true];
    this.#skipBlanks();
    const quoted = this.#text.charCodeAt(this.#index) === DQUOTE;
    return [name, quoted ? this.#quotedToken() : this.#token()];
  }

  #token(): string {
    const start = this.#index;
    let end = start;
    while (end < this.#text.length && isTokenCode(this.#text.charCodeAt(end))) end++;
    if (end === start) throw malformed("Sec-WebSocket-Extensions");
    this.#index = end;
    return this.#text.slice(start, end);
  }

  /**
   * "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform
   * to the 'token' ABNF."
   */
  #quotedToken(): string {
    let value = "";
    for (let i = this.#index + 1; i < this.#text.length; i++) {
      let code = this.#text.charCodeAt(i);
      if (code === DQUOTE) {
        if (value === "") break;
        this.#index = i + 1;
        return value;
      }
      if (code === 0x5c) code = this.#text.charCodeAt(++i);
      if (!isTokenCode(code)) break;
      value += String.fromCharCode(code);
    }
    throw malformed("Sec-WebSocket-Extensions");
  }

  /** Skips blanks and the separator after them. Returns `false` if another character follows. */
  #skip(separator: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#index] !== separator) return false;
    this.#index++;
    return true;
  }

  #skipBlanks(): void {
    while (isBlank(this.#text.charCodeAt(this.#index))) this.#index++;
  }
}

/** Whether the code is that of a token character. It may be NaN, the code beyond the end of a text. */
function isTokenCode(code: number): boolean {
  return code < 0x80 && (classes[code]! & TOKEN) !== 0;
}

function malformed(fieldName: string): HandshakeError {
  return requestError(400, `malformed ${fieldName} header`);
}
