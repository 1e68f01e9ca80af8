import { isAll, isToken, sliceTrimmed, TARGET } from "./characters.ts";
import { isSendable } from "./field_line.ts";
import { requestError } from "./request_error.ts";
import { RequestHead } from "./request_head.ts";

/** The parts of a request head that another HTTP server has parsed. */
export interface RequestParts {
  readonly method: string;
  /** The request target, as sent. */
  readonly target: string;
  /** The HTTP version, such as `"1.1"`. */
  readonly version: string;
  /** The header fields in order: names as sent, values decoded as Latin-1. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
}

/**
 * Creates a request head from its parts. The other server's parser may be less strict, so everything that
 * `RequestHeadParser` refuses is refused here too, as far as the parts still show it.
 *
 * @throws {HandshakeError} With status 400 if a part is malformed, 431 for too many fields, 505 for the version.
 */
export function checkRequestParts(parts: RequestParts, maxFields: number): RequestHead {
  const { method, target, version, fields } = parts;
  if (version !== "1.1") throw requestError(505, "only HTTP/1.1 is supported");
  if (!isToken(method)) throw requestError(400, "malformed method");
  if (!isAll(target, TARGET)) throw requestError(400, "malformed request target");
  if (fields.length > maxFields) throw requestError(431, `more than ${maxFields} header lines`);
  const trimmed = fields.map(([name, value]) => {
    if (!isToken(name)) throw requestError(400, "malformed name of a header");
    if (!isSendable(value)) throw requestError(400, `malformed ${name} header`);
    return [name, sliceTrimmed(value, 0, value.length)] as const;
  });
  return new RequestHead(method, target, trimmed);
}
