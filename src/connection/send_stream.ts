import { checkBoolean, checkOptions, checkSignal, type Names, show } from "../checks.ts";
import { Utf8Validator } from "../codec/utf8.ts";
import { callHook } from "../hooks.ts";
import { hasMethod, isReadableStream, isUint8Array } from "../values.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { Sendable, SendableStream, SendStreamOptions } from "./connection.ts";
import { type Breaker, HeldBack } from "./held_back.ts";
import { concatBytes } from "../codec/byte_collector.ts";
import { parts } from "./load_parts.ts";
import { abortable } from "../abortable.ts";
import { rejected, RESOLVED } from "../promises.ts";
import type { ConnectionCore } from "./core.ts";
import { closeStatusOf } from "./give_up.ts";
import { CloseCode } from "../codec/close_code.ts";
import { checkCloseStatus, type CloseStatus } from "../protocol/close_payload.ts";

const EMPTY = new Uint8Array(0);

const OPTIONS: Names<SendStreamOptions> = {
  signal: true,
  compress: true,
  closeCode: true,
  reason: true,
};

/** See {@linkcode Connection.sendStream}. */
export function sendStream(
  core: ConnectionCore,
  type: MessageType,
  stream: SendableStream,
  options: SendStreamOptions = {},
): Promise<void> {
  if (type !== "text" && type !== "binary") {
    throw new TypeError(`Cannot send a message of type ${show(type)}: it is "text" or "binary"`);
  }
  checkStream(stream);
  checkOptions("sendStream", options, OPTIONS);
  checkSignal(options.signal);
  checkBoolean("compress", options.compress);
  // Now, since later it is only seen if something else has failed.
  const { closeCode = CloseCode.InternalError, reason = "" } = options;
  const statusOfBroken = { closeCode, reason };
  checkCloseStatus(statusOfBroken);
  const { closing, layer, outbound } = core;
  outbound.source?.sendPublished();
  let error: Error | undefined;
  if (!closing.accepts) error = closing.reason.closedError();
  else if (layer !== undefined && !layer.encodesStreams) {
    error = new TypeError(
      "Cannot send the stream: the connection's message layer has encode, but no encodeStart",
    );
  }
  if (error !== undefined) {
    callHook(() => stream.cancel(error), () => {});
    return rejected(error);
  }
  const sent = sendFragments(core, type, stream, options, statusOfBroken);
  sent.catch(() => {});
  return sent;
}

/** @throws {TypeError} If a program gives no `ReadableStream`, or one that is locked. */
function checkStream(stream: unknown): asserts stream is ReadableStream {
  if (isReadableStream(stream)) {
    if (!stream.locked) return;
    throw new TypeError("Cannot send the stream: it is locked, as another reader has it");
  }
  const value: unknown = Object(stream);
  const isIterable = hasMethod(value as object, Symbol.asyncIterator) ||
    hasMethod(value as object, Symbol.iterator);
  const hint = isIterable && typeof stream !== "string"
    ? "; make one of what can be iterated by ReadableStream.from(...)"
    : "";
  throw new TypeError(`Cannot send the stream: it is no ReadableStream${hint}`);
}

/** Sends a stream as one message, a fragment for each chunk (RFC 6455, section 5.4), and unlocks it. */
async function sendFragments(
  core: ConnectionCore,
  type: MessageType,
  stream: SendableStream,
  { signal, compress }: SendStreamOptions,
  statusOfBroken: CloseStatus,
): Promise<void> {
  const { inbound, outbound } = core;
  const reader = stream.getReader();
  const held = outbound.held ??= new HeldBack(core);
  const begun = held.beginStream();
  let hasBegun = false;
  let breaker: Breaker | undefined;
  const abort = () => breaker?.break(signal?.reason);
  try {
    breaker = await abortable(begun, signal);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    const fragments = new FragmentEncoder(type);
    for (;;) {
      const { done, value } = await breaker.wait(reader.read());
      let payload = done ? fragments.finish() : fragments.encode(value);
      if (done || payload.length > 0) {
        breaker.throwIfBroken();
        if (!hasBegun) {
          payload = prepend(held.encodeStart(type) ?? "", payload);
          // If the layer failed it is.
          breaker.throwIfBroken();
          outbound.messagesSent++;
          hasBegun = true;
        }
        const sent = outbound.wait(
          inbound.protocol.sendFragment(type, payload, done, compress),
        );
        if (sent !== RESOLVED) await breaker.wait(sent);
      }
      if (done) return;
    }
  } catch (error) {
    callHook(() => reader.cancel(error), () => {});
    if (hasBegun) {
      held.failStream();
      endForBroken(core, error, statusOfBroken);
    }
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    callHook(() => release(stream, reader), () => {});
    // If it was given up before, it ends as soon as it may begin.
    begun.then(() => held.endStream(), () => {});
  }
}

/** Only a body of a received message is more than a stream, and there is none before views are loaded. */
function release(stream: object, reader: { releaseLock?: () => void }): void {
  if (parts.views === undefined) reader.releaseLock?.();
  else parts.views.MessageBody.release(stream, reader);
}

/** Closes the connection: a message that has begun can't be taken back. */
function endForBroken({ closing }: ConnectionCore, error: unknown, fallback: CloseStatus): void {
  // The connection's own end broke the stream: it is closing already.
  if (closing.isFinished) return;
  const { info } = closing.reason;
  // If it was given up for the end, that has its code already; but 1000 would say that all was sent.
  const status = closing.reason.saysAborted(error) && info?.closeCode !== CloseCode.NormalClosure
    ? info
    : closeStatusOf(error);
  closing.cut(status ?? fallback);
}

/** Makes payloads of chunks, of UTF-8 if the message is text. */
class FragmentEncoder {
  readonly #type: MessageType;
  readonly #utf8 = new Utf8Validator();
  /** Half of a surrogate pair whose other half may be in the next chunk. */
  #half = "";

  constructor(type: MessageType) {
    this.#type = type;
  }

  encode(chunk: Sendable): Uint8Array {
    let payload;
    if (typeof chunk === "string") {
      const text = this.#half + chunk;
      const last = text.charCodeAt(text.length - 1);
      const isHalf = last >= 0xd800 && last < 0xdc00;
      this.#half = isHalf ? text.slice(-1) : "";
      payload = new TextEncoder().encode(isHalf ? text.slice(0, -1) : text);
    } else if (isUint8Array(chunk)) {
      payload = chunk.length === 0 ? EMPTY : this.#endHalf(chunk);
    } else {
      throw new TypeError("Cannot send the stream: its chunks are strings or Uint8Arrays");
    }
    if (this.#type === "text" && !this.#utf8.validate(payload)) failUtf8();
    return payload;
  }

  finish(): Uint8Array {
    const payload = this.#endHalf(EMPTY);
    if (this.#type === "text" && !(this.#utf8.validate(payload) && this.#utf8.complete)) failUtf8();
    return payload;
  }

  /** Puts a half that stays alone before bytes: it becomes U+FFFD. */
  #endHalf(bytes: Uint8Array): Uint8Array {
    if (this.#half === "") return bytes;
    const half = this.#half;
    this.#half = "";
    return prepend(half, bytes);
  }
}

function prepend(prefix: Sendable, bytes: Uint8Array): Uint8Array {
  if (prefix.length === 0) return bytes;
  const start = typeof prefix === "string" ? new TextEncoder().encode(prefix) : prefix;
  return concatBytes([start, bytes], start.length + bytes.length);
}

function failUtf8(): never {
  throw new TypeError("Cannot send the stream as text: it is not UTF-8");
}
