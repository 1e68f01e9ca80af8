import { encodeField } from "./field_line.ts";
import { encodeLatin1 } from "./latin1.ts";
import type { RequestHead } from "./request_head.ts";

/**
 * Encodes a request head.
 *
 * @throws {TypeError} If a header field can't be sent. The message names the field.
 */
export function encodeRequestHead(
  { method, target, fields }: RequestHead,
): Uint8Array<ArrayBuffer> {
  const lines = fields.map(([name, value]) => encodeField(name, value));
  return encodeLatin1(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
}
