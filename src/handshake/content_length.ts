import { HandshakeError } from "../errors.ts";
import { isDigits } from "./characters.ts";
import type { RequestHead } from "./request_head.ts";

/**
 * Parses how long the body of a request is (RFC 9112, section 6.3). Whatever two parties could read
 * in two ways is refused: that is what request smuggling is made of.
 *
 * @param head The request.
 * @returns The length in bytes, or `undefined` where the request has neither a `Content-Length` nor a
 * body.
 * @throws {HandshakeError} With status 400, where there is more than one `Content-Length`, where it is
 * not one decimal number up to 2^53 - 1, or where a `Transfer-Encoding` comes with it; with 501 for any
 * other `Transfer-Encoding`, because none is implemented (section 6.1).
 */
export function parseContentLength(head: RequestHead): number | undefined {
  const value = head.get("Content-Length");
  if (head.getAll("Transfer-Encoding").length > 0) {
    if (value === undefined) {
      throw new HandshakeError(
        501,
        "Cannot accept the request: Transfer-Encoding is not supported, send a Content-Length",
      );
    }
    throw new HandshakeError(
      400,
      "Cannot accept the request: both Transfer-Encoding and Content-Length",
    );
  }
  if (value === undefined) return undefined;
  const length = isDigits(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(length)) {
    throw new HandshakeError(400, "Cannot accept the request: malformed Content-Length header");
  }
  return length;
}
