import type { HandshakeError } from "../errors.ts";
import { isDigits } from "./characters.ts";
import { parseTokenList } from "./field_values.ts";
import { requestError } from "./request_error.ts";
import type { RequestHead } from "./request_head.ts";

/**
 * Parses the length of a request's body (RFC 9112, section 6.3). A request that a proxy could read
 * differently is refused, since request smuggling relies on such differences.
 *
 * @param head The request.
 * @returns The length in bytes, or `undefined` if the request has no `Content-Length`, and so no body.
 * @throws {HandshakeError} With status 400, if there is more than one `Content-Length`, if it is not a
 * decimal number up to 2^53 - 1, or if a `Transfer-Encoding` is beside it, is malformed, or does not end
 * with `chunked`. With 411 if the coding is `chunked`, and with 501 if another one is before it: transfer
 * codings are not implemented.
 */
export function parseContentLength(head: RequestHead): number | undefined {
  const value = head.get("Content-Length");
  const codings = head.getAll("Transfer-Encoding");
  if (codings.length > 0) throw codingsError(codings, value !== undefined);
  if (value === undefined) return undefined;
  const length = isDigits(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(length)) throw requestError(400, "malformed Content-Length header");
  return length;
}

function codingsError(values: readonly string[], hasLength: boolean): HandshakeError {
  if (hasLength) return requestError(400, "both Transfer-Encoding and Content-Length");
  const codings = parseTokenList(values.join(", ").toLowerCase(), "Transfer-Encoding");
  // "If a Transfer-Encoding header field is present in a request and the chunked transfer coding is
  // not the final encoding, [...] the server MUST respond with the 400 (Bad Request) status code"
  // (RFC 9112, section 6.3). And a sender must not apply it twice (section 6.1).
  if (codings.indexOf("chunked") !== codings.length - 1) {
    return requestError(400, "chunked must be the last transfer coding, and only once");
  }
  if (codings.length > 1) return requestError(501, "its transfer coding is not supported");
  // "A server MAY reject a request that contains a message body but not a Content-Length by
  // responding with 411 (Length Required)" (RFC 9112, section 6.3).
  return requestError(411, "Transfer-Encoding is not supported, send a Content-Length");
}
