import { HandshakeError } from "../errors.ts";
import { isDigits } from "./characters.ts";
import { parseTokenList } from "./field_values.ts";
import type { RequestHead } from "./request_head.ts";

/**
 * Parses how long the body of a request is (RFC 9112, section 6.3). Whatever two parties could read
 * in two ways is refused: that is what request smuggling is made of.
 *
 * @param head The request.
 * @returns The length in bytes, or `undefined` where the request has neither a `Content-Length` nor a
 * body.
 * @throws {HandshakeError} With status 400, where there is more than one `Content-Length`, where it is
 * not one decimal number up to 2^53 - 1, or where a `Transfer-Encoding` comes with it, is malformed, or
 * does not end with `chunked`; with 411 where it is `chunked`, and with 501 where another coding comes
 * before that, because none is implemented.
 */
export function parseContentLength(head: RequestHead): number | undefined {
  const value = head.get("Content-Length");
  const codings = head.getAll("Transfer-Encoding");
  if (codings.length > 0) throw refuseCodings(codings, value !== undefined);
  if (value === undefined) return undefined;
  const length = isDigits(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(length)) throw refuse("malformed Content-Length header");
  return length;
}

function refuseCodings(values: readonly string[], hasLength: boolean): HandshakeError {
  if (hasLength) return refuse("both Transfer-Encoding and Content-Length");
  const codings = parseTokenList(values.join(", ").toLowerCase(), "Transfer-Encoding");
  // "If a Transfer-Encoding header field is present in a request and the chunked transfer coding is
  // not the final encoding, [...] the server MUST respond with the 400 (Bad Request) status code"
  // (RFC 9112, section 6.3). And a sender must not apply it twice (section 6.1).
  if (codings.indexOf("chunked") !== codings.length - 1) {
    return refuse("chunked must be the last transfer coding, and only that");
  }
  if (codings.length > 1) {
    return new HandshakeError(
      501,
      "Cannot accept the request: its transfer coding is not supported",
    );
  }
  // "A server MAY reject a request that contains a message body but not a Content-Length by
  // responding with 411 (Length Required)" (RFC 9112, section 6.3).
  return new HandshakeError(
    411,
    "Cannot accept the request: Transfer-Encoding is not supported, send a Content-Length",
  );
}

function refuse(reason: string): HandshakeError {
  return new HandshakeError(400, `Cannot accept the request: ${reason}`);
}
