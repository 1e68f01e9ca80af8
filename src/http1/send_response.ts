import { encodeResponseHead } from "./response_head.ts";
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
  try {
    let contentLength = declaredLength(headers);
    if (body === null && !isHead && !BODILESS.has(status)) contentLength = 0;
    if (BODILESS.has(status)) contentLength = undefined;
    if (chunks === undefined) cancelBody(response);
    const head = encodeResponseHead(status, statusText, headers, { contentLength });
    await writer.write(head);
    if (chunks === undefined) return;
    const length = await sendBody(writer, chunks, contentLength ?? Infinity);
    if (!writer.closed && length !== (contentLength ?? length)) {
      throw new TypeError(
        `Cannot send the response: its body is not of the ${contentLength} bytes its Content-Length says`,
      );
    }
  } finally {
    chunks?.cancel(writer.closeReason);
  }
}

/** Gives up a body that is not sent. */
export function cancelBody(response: Response, reason?: unknown): void {
  callHook(() => {
    const { body } = response;
    if (!body || body.locked) return;
    openBody(body).cancel(reason);
  }, () => {});
}

/** The chunks of a body. */
interface Chunks {
  read(): PromiseLike<{ done?: boolean; value?: unknown }>;
  /** Gives them up; what their source makes of that is nothing to wait for. */
  cancel(reason?: unknown): void;
}

/** A body that is a stream of Node's. */
interface NodeStream {
  on(event: "error", listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * Opens a body: a `ReadableStream`, or what some packages have instead, which can be iterated.
 *
 * @throws {TypeError} Where it is neither.
 */
function openBody(body: object): Chunks {
  if (isReadableStream(body)) {
    const reader = body.getReader();
    return {
      read: () => reader.read(),
      cancel: (reason) => callHook(() => reader.cancel(reason), () => {}),
    };
  }
  // Nobody else may listen, and it may fail while it is not read: that would end the process.
  if (isNodeStream(body)) body.on("error", () => {});
  if (!isFunction(body, Symbol.asyncIterator)) {
    destroy(body);
    throw new TypeError("Cannot send the response: its body is no stream");
  }
  const iterator = (body as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  return {
    read: () => iterator.next(),
    cancel: () => {
      // An iteration that has not begun, or that waits for its next chunk, does not end the stream.
      destroy(body);
      callHook(() => iterator.return?.(), () => {});
    },
  };
}

function isNodeStream(body: object): body is NodeStream {
  return isFunction(body, "on") && isFunction(body, "destroy");
}

function destroy(body: object): void {
  callHook(() => isNodeStream(body) && body.destroy(), () => {});
}

/** Sends a body up to its end, or beyond `maxLength`; gives how long it was by then. */
async function sendBody(
  writer: ChannelWriter,
  chunks: Chunks,
  maxLength: number,
): Promise<number> {
  // The client may leave while nothing comes of the body.
  writer.onClose = () => chunks.cancel(writer.closeReason);
  let length = 0;
  while (!writer.closed) {
    const { done, value } = await readChunk(writer, chunks);
    if (done) break;
    if (!isUint8Array(value)) {
      throw new TypeError("Cannot send the response: its body has a chunk that is no Uint8Array");
    }
    length += value.length;
    if (length > maxLength) break;
    await writer.write(value);
  }
  return length;
}

async function readChunk(
  writer: ChannelWriter,
  chunks: Chunks,
): Promise<{ done?: boolean; value?: unknown }> {
  try {
    return await chunks.read();
  } catch (error) {
    // A stream of Node's that was given up says so by an error.
    if (writer.closed) return { done: true };
    throw error;
  }
}

function declaredLength(headers: Headers): number | undefined {
  const value = headers.get("Content-Length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
