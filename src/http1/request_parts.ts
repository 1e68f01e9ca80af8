import { HandshakeError } from "../errors.ts";
import { isAll, isToken, sliceTrimmed, TARGET } from "./characters.ts";
import { isSendable } from "./field_line.ts";
import { RequestHead } from "./request_head.ts";

/** The parts of a request head that was parsed by somebody else. */
export interface RequestParts {
  /** The method. */
  readonly method: string;
  /** The request target, as sent. */
  readonly target: string;
  /** The HTTP version, such as `"1.1"`. */
  readonly version: string;
  /** The header fields in order, names as sent, a character for each byte of the values. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
}

/**
 * Makes a request head of its parts, and checks of them what a parser that is less strict may have let
 * pass: as far as the parts still show it, what `RequestHeadParser` refuses is refused here.
 *
 * @param parts The parts.
 * @param maxFields The largest number of header fields.
 * @throws {HandshakeError} With status 400 where a part is malformed, with 431 where there are too many
 * fields, with 505 where the version is not HTTP/1.1.
 */
export function checkRequestParts(parts: RequestParts, maxFields: number): RequestHead {
  const { method, target, version, fields } = parts;
  if (version !== "1.1") {
    throw new HandshakeError(505, "Cannot accept the request: only HTTP/1.1 is supported");
  }
  if (!isToken(method)) throw refuse("malformed method");
  if (!isAll(target, TARGET)) throw refuse("malformed request target");
  if (fields.length > maxFields) {
    throw new HandshakeError(431, `Cannot accept the request: more than ${maxFields} header lines`);
  }
  const trimmed = fields.map(([name, value]) => {
    if (!isToken(name)) throw refuse("malformed name of a header");
    if (!isSendable(value)) throw refuse(`malformed ${name} header`);
    return [name, sliceTrimmed(value, 0, value.length)] as const;
  });
  return new RequestHead(method, target, trimmed);
}

function refuse(reason: string): HandshakeError {
  return new HandshakeError(400, `Cannot accept the request: ${reason}`);
}
