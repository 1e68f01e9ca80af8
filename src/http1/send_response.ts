import { show } from "../checks.ts";
import { callHook } from "../hooks.ts";
import { hasMethod, isReadableStream, isUint8Array } from "../values.ts";
import { encodeResponseHead } from "./encode_response.ts";

/** Statuses whose responses have no body (RFC 9110, section 6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** What a response is written to. */
export interface ResponseWriter {
  /** Writes a chunk. Resolves when the next one may be written, or the channel is closed. */
  write(chunk: Uint8Array): Promise<void>;
  /** Whether the channel is closed. */
  readonly closed: boolean;
  /** The reason that the program is given for the close. */
  readonly closeReason: unknown;
  /** Called when the channel is closed. */
  onClose: (() => void) | undefined;
}

/**
 * Sends a response. The caller ends the connection after it: if the length of the body is not known, the end
 * of the connection ends the body (RFC 9112, section 6.3).
 *
 * @param isHead Whether the request was HEAD: then the body is omitted.
 * @throws The error of the body's stream; `TypeError` if the response can't be sent, or the length of its body
 * differs from its `Content-Length`. A part of the response may then have been sent.
 */
export async function sendResponse(
  writer: ResponseWriter,
  response: Response,
  isHead: boolean,
): Promise<void> {
  const { status, statusText = "", headers, bodyUsed } = response;
  const body = response.body ?? null;
  if (bodyUsed || body?.locked) {
    throw new TypeError("Cannot send the response: its body has been used");
  }
  const hasBody = body !== null && !isHead && !BODILESS.has(status);
  // Before writing, since it throws if the body is not a stream.
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
        `Cannot send the response: its Content-Length is ${contentLength}, but its body is ${
          length < contentLength! ? "shorter" : "longer"
        }`,
      );
    }
  } finally {
    chunks?.cancel(writer.closeReason);
  }
}

/** Cancels the body of a response that is not sent. */
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
  /** Cancels the body, without waiting for its source. */
  cancel(reason?: unknown): void;
}

/** A stream of Node as a body. */
interface NodeStream {
  on(event: "error", listener: () => void): unknown;
  destroy(): unknown;
}

/** Opens a body: a `ReadableStream`, or an async iterable, which some packages have instead. */
function openBody(body: object): Chunks {
  if (isReadableStream(body)) {
    const reader = body.getReader();
    return {
      read: () => reader.read(),
      cancel: (reason) => callHook(() => reader.cancel(reason), () => {}),
    };
  }
  // The stream may fail while it is not read. An "error" event without a listener would end the process.
  if (isNodeStream(body)) body.on("error", () => {});
  if (!hasMethod(body, Symbol.asyncIterator)) {
    destroy(body);
    throw new TypeError(`Cannot send the response: its body must be a stream, got ${show(body)}`);
  }
  const iterator = (body as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  return {
    read: () => iterator.next(),
    cancel: () => {
      // `return` alone does not end the stream if the iteration has not begun, or waits for a chunk.
      destroy(body);
      callHook(() => iterator.return?.(), () => {});
    },
  };
}

function isNodeStream(body: object): body is NodeStream {
  return hasMethod(body, "on") && hasMethod(body, "destroy");
}

function destroy(body: object): void {
  callHook(() => isNodeStream(body) && body.destroy(), () => {});
}

/** Sends a body to its end, or until it exceeds `maxLength`; returns the bytes that it had until then. */
async function sendBody(
  writer: ResponseWriter,
  chunks: Chunks,
  maxLength: number,
): Promise<number> {
  // The client may leave while the body has no next chunk.
  writer.onClose = () => chunks.cancel(writer.closeReason);
  let length = 0;
  while (!writer.closed) {
    const { done, value } = await readChunk(writer, chunks);
    if (done) break;
    if (!isUint8Array(value)) {
      throw new TypeError(
        `Cannot send the response: the chunks of its body must be Uint8Array, got ${show(value)}`,
      );
    }
    length += value.length;
    if (length > maxLength) break;
    await writer.write(value);
  }
  return length;
}

async function readChunk(
  writer: ResponseWriter,
  chunks: Chunks,
): Promise<{ done?: boolean; value?: unknown }> {
  try {
    return await chunks.read();
  } catch (error) {
    // A stream of Node errors when it is destroyed.
    if (writer.closed) return { done: true };
    throw error;
  }
}

function declaredLength(headers: Headers): number | undefined {
  const value = headers.get("Content-Length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
