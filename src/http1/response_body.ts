import { includesToken } from "./field_values.ts";
import type { ResponseHead } from "./response_head.ts";

const decoder = new TextDecoder();
/** The last chunk, without trailers (RFC 9112, section 7.1). */
const LAST_CHUNK = "0\r\n\r\n";

/** Whether these bytes are the complete body of a response, as far as its head tells. */
export function isBodyComplete(head: ResponseHead, bytes: Uint8Array): boolean {
  if (isEmpty(head)) return true;
  if (isChunked(head)) return decoder.decode(bytes.subarray(-LAST_CHUNK.length)) === LAST_CHUNK;
  return bytes.length >= lengthOf(head);
}

/** Decodes the beginning of a body as text, for an error message. */
export function decodeBody(head: ResponseHead, bytes: Uint8Array): string {
  if (isEmpty(head)) return "";
  if (!isChunked(head)) return decoder.decode(bytes.subarray(0, lengthOf(head)));
  let text = "";
  const streaming = new TextDecoder();
  for (let start = 0; start < bytes.length;) {
    const lineEnd = bytes.indexOf(0x0a, start);
    if (lineEnd === -1) break;
    const size = Number.parseInt(decoder.decode(bytes.subarray(start, lineEnd)), 16);
    if (!(size > 0)) break;
    const end = lineEnd + 1 + size;
    text += streaming.decode(bytes.subarray(lineEnd + 1, end), { stream: true });
    start = end + 2;
  }
  return text + streaming.decode();
}

function isChunked(head: ResponseHead): boolean {
  return includesToken(head.getAll("Transfer-Encoding").join(","), "chunked");
}

/** Whether the response has no body, whatever its header fields say (RFC 9112, section 6.3). */
function isEmpty({ status }: ResponseHead): boolean {
  return status === 204 || status === 304;
}

/** The length of the body in bytes; `Infinity` if the head does not tell. */
function lengthOf(head: ResponseHead): number {
  const [length = ""] = head.getAll("Content-Length");
  return /^\d+$/.test(length) ? Number(length) : Infinity;
}
