import { encodeResponseHead } from "../handshake/response_head.ts";
import type { ChannelWriter } from "./channel_writer.ts";

/** Statuses whose responses have no body (RFC 9110, section 6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Sends a response, after which the connection is to be ended. Its length is announced where it is
 * known; otherwise the body ends where the connection does (RFC 9112, section 6.3).
 *
 * @param isHead Whether the request was HEAD: the body is left out.
 * @throws Whatever the body errors with; `TypeError` where the response can't be sent, or its body is
 * not of the length its `Content-Length` says. What was sent of it is then incomplete.
 */
export async function sendResponse(
  writer: ChannelWriter,
  response: Response,
  isHead: boolean,
): Promise<void> {
  const { status, statusText, headers, body } = response;
  if (response.bodyUsed || body?.locked) {
    throw new TypeError("Cannot send the response: its body has been used");
  }
  const hasBody = body !== null && !isHead && !BODILESS.has(status);
  let contentLength = declaredLength(headers);
  if (body === null && !isHead && !BODILESS.has(status)) contentLength = 0;
  if (BODILESS.has(status)) contentLength = undefined;
  const head = encodeResponseHead(status, statusText, headers, { contentLength });
  await writer.write(head);
  if (!hasBody) {
    cancelBody(response);
    return;
  }
  const length = await sendBody(writer, body, contentLength ?? Infinity);
  if (!writer.closed && length !== (contentLength ?? length)) {
    throw new TypeError(
      `Cannot send the response: its body is not of the ${contentLength} bytes its Content-Length says`,
    );
  }
}

/** Gives up a body that is not sent; what its source makes of that is nothing to wait for. */
export function cancelBody(response: Response): void {
  response.body?.cancel().catch(() => {});
}

/** Sends a body up to its end, or beyond `maxLength`; gives how long it was by then. */
async function sendBody(
  writer: ChannelWriter,
  body: ReadableStream<Uint8Array>,
  maxLength: number,
): Promise<number> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  // The client may leave while nothing comes of the body.
  writer.onClose = cancel;
  let length = 0;
  try {
    while (!writer.closed) {
      const { done, value } = await reader.read();
      if (done) break;
      if (!(value instanceof Uint8Array)) {
        throw new TypeError("Cannot send the response: its body has a chunk that is no Uint8Array");
      }
      length += value.length;
      if (length > maxLength) break;
      await writer.write(value);
    }
  } finally {
    cancel();
  }
  return length;
}

function declaredLength(headers: Headers): number | undefined {
  const value = headers.get("Content-Length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
