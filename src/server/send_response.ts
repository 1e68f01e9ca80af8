import { encodeResponseHead } from "../handshake/response_head.ts";
import { callHook } from "../hooks.ts";
import { isFunction, isReadableStream, isUint8Array } from "../values.ts";
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
  const { status, statusText = "", headers, bodyUsed } = response;
  const body = response.body ?? null;
  if (bodyUsed || body?.locked) {
    throw new TypeError("Cannot send the response: its body has been used");
  }
  const hasBody = body !== null && !isHead && !BODILESS.has(status);
  // Before anything is written, as it may not be one.
  const chunks = hasBody ? openBody(body) : undefined;
  let contentLength = declaredLength(headers);
  if (body === null && !isHead && !BODILESS.has(status)) contentLength = 0;
  if (BODILESS.has(status)) contentLength = undefined;
  const head = encodeResponseHead(status, statusText, headers, { contentLength });
  await writer.write(head);
  if (chunks === undefined) {
    cancelBody(response);
    return;
  }
  const length = await sendBody(writer, chunks, contentLength ?? Infinity);
  if (!writer.closed && length !== (contentLength ?? length)) {
    throw new TypeError(
      `Cannot send the response: its body is not of the ${contentLength} bytes its Content-Length says`,
    );
  }
}

/** Gives up a body that is not sent; what its source makes of that is nothing to wait for. */
export function cancelBody(response: Response): void {
  callHook(() => response.body && openBody(response.body).cancel(), () => {});
}

/** The chunks of a body. */
interface Chunks {
  read(): PromiseLike<{ done?: boolean; value?: unknown }>;
  cancel(): unknown;
}

/**
 * Opens a body: a `ReadableStream`, or what some packages have instead, which can be iterated.
 *
 * @throws {TypeError} Where it is neither.
 */
function openBody(body: object): Chunks {
  if (isReadableStream(body)) {
    const reader = body.getReader();
    return { read: () => reader.read(), cancel: () => reader.cancel() };
  }
  if (isFunction(body, Symbol.asyncIterator)) {
    const iterator = (body as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    return { read: () => iterator.next(), cancel: () => iterator.return?.() };
  }
  throw new TypeError("Cannot send the response: its body is no stream");
}

/** Sends a body up to its end, or beyond `maxLength`; gives how long it was by then. */
async function sendBody(
  writer: ChannelWriter,
  chunks: Chunks,
  maxLength: number,
): Promise<number> {
  const cancel = () => callHook(() => chunks.cancel(), () => {});
  // The client may leave while nothing comes of the body.
  writer.onClose = cancel;
  let length = 0;
  try {
    while (!writer.closed) {
      const { done, value } = await chunks.read();
      if (done) break;
      if (!isUint8Array(value)) {
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
