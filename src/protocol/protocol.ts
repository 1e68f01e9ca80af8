import type { Names, Optional } from "../checks.ts";
import { checks } from "../loaded_checks.ts";
import { CloseCode } from "../codec/close_code.ts";
import { cloneBytes } from "../codec/byte_collector.ts";
import { MAX_CONTROL_PAYLOAD_LENGTH, type Role } from "../codec/frame.ts";
import { FrameDecoder, type HandlerResult, STOP } from "../codec/frame_decoder.ts";
import { FrameEncoder, type FrameEncoderOptions } from "../codec/frame_encoder.ts";
import { Opcode } from "../codec/opcode.ts";
import type { ProtocolError } from "../errors.ts";
import {
  checkCloseStatus,
  type CloseStatus,
  decodeClosePayload,
  encodeClosePayload,
  truncateReason,
} from "./close_payload.ts";
import type { MessageCompression } from "./message_compression.ts";
import {
  type ControlHandler,
  type MessageHandler,
  type MessageLimits,
  MessageReceiver,
  type MessageType,
} from "./message_receiver.ts";
import { isUint8Array } from "../basic_values.ts";

/**
 * Takes what the peer sent. A method may send at once, through the protocol that calls it; one that returns
 * `"stop"` takes nothing more for now, see {@linkcode MessageHandler}.
 */
export interface ProtocolHandler extends MessageHandler {
  /**
   * Takes a Ping, which {@linkcode Protocol.sendPong} answers (RFC 6455, section 5.5.2). The payload
   * lies in the input: a handler copies what it keeps.
   */
  receivePing(payload: Uint8Array): HandlerResult;
  /** Takes a Pong (section 5.5.3). */
  receivePong(payload: Uint8Array<ArrayBuffer>): HandlerResult;
  /**
   * Takes the peer's Close frame, after which nothing is received any more. If none was sent
   * before, {@linkcode Protocol.sendClose} answers it (section 5.5.1).
   */
  receiveClose(status: CloseStatus): HandlerResult;
}

/** Options of a {@linkcode Protocol}. */
export interface ProtocolOptions extends Optional<MessageLimits>, FrameEncoderOptions {
  /** The compression that was agreed upon (RFC 7692). Default: none. */
  compression?: MessageCompression | undefined;
}

const OPTIONS: Names<ProtocolOptions> = {
  maxMessageSize: true,
  maxFragments: true,
  maskingKey: true,
  compression: true,
};

/**
 * Where the closing handshake stands (RFC 6455, section 7.1):
 *
 * | state | Close sent | Close received | may send | receives |
 * |---|---|---|---|---|
 * | `"open"` | no | no | all | all |
 * | `"close-received"` | no | yes | all | nothing |
 * | `"close-sent"` | yes | no | nothing | Pongs, Close; messages and Pings are dropped |
 * | `"closed"` | yes | yes | nothing | nothing |
 * | `"failed"` | yes, but for an error after it | no | nothing | nothing |
 */
export type ProtocolState = "open" | "close-received" | "close-sent" | "closed" | "failed";

/** Gives a protocol a control frame: one function for all of them, and no method that programs could call. */
let receiveControl: ControlHandler<Protocol>;

/**
 * One side of an open WebSocket, without I/O: bytes in, calls on a handler; commands in, bytes out.
 * It knows no time, no promises and no runtime.
 */
export class Protocol {
  static {
    receiveControl = (protocol, opcode, bytes, start, end) =>
      protocol.#receiveControl(opcode, bytes, start, end);
  }

  readonly #handler: ProtocolHandler;
  readonly #encoder: FrameEncoder;
  readonly #decoder: FrameDecoder;
  readonly #receiver: MessageReceiver<Protocol>;
  readonly #compression: MessageCompression | undefined;
  #state: ProtocolState = "open";
  #receiving = true;
  /** Whether a message was begun by `sendFragment` and not finished. */
  #sendingFragments = false;
  #isCompressing = false;

  /**
   * Creates a protocol in the state `"open"`: after the opening handshake.
   *
   * @param role The side this is: it decides which frames are masked (section 5.1).
   * @param handler Takes what the peer sent.
   * @param options The limits: `maxMessageSize`, by default 1 MiB, and `maxFragments`, by default
   * 1,024; and a client's source of masking keys.
   * @throws {RangeError} If a limit is neither a safe integer in its range nor `Infinity`.
   * @throws {TypeError} If an option is unknown or of another type.
   */
  constructor(role: Role, handler: ProtocolHandler, options: ProtocolOptions = {}) {
    checks?.checkOptions("Protocol", options, OPTIONS);
    const { maxMessageSize = 1024 * 1024, maxFragments = 1024, compression, maskingKey } = options;
    checks?.checkObject("compression", compression);
    checks?.checkInteger("maxMessageSize", maxMessageSize, 0);
    checks?.checkInteger("maxFragments", maxFragments, 1);
    this.#compression = compression;
    this.#handler = handler;
    this.#encoder = new FrameEncoder(role, { maskingKey });
    this.#receiver = new MessageReceiver<Protocol>(
      maxMessageSize,
      maxFragments,
      handler,
      this,
      receiveControl,
      compression?.inflater,
    );
    const allowRsv1 = compression !== undefined;
    this.#decoder = new FrameDecoder(role, this.#receiver, { allowRsv1 });
  }

  /** Where the closing handshake stands. */
  get state(): ProtocolState {
    return this.#state;
  }

  /** The number of bytes held of a message that is not whole yet. */
  get collectedLength(): number {
    return this.#receiver.collectedLength;
  }

  /** The number of bytes that memory is held for: of a message that is not whole yet, and to compress. */
  get heldLength(): number {
    return this.#receiver.heldLength + (this.#compression?.deflater.heldLength ?? 0);
  }

  /** The number of bytes that {@linkcode Protocol.takeOutput} would give. */
  get outputLength(): number {
    return this.#encoder.byteLength;
  }

  /** Hands over the bytes to send, in order, as chunks for one gather write. */
  takeOutput(): Uint8Array[] {
    return this.#encoder.take();
  }

  /**
   * Says that the output taken last has been written already, so that its memory can be used again.
   * To be called before output is taken again, or not at all.
   */
  recycleOutput(): void {
    this.#encoder.recycle();
  }

  /**
   * Makes the `receive` call in progress return after the current frame or piece of payload: the same as a
   * handler that returns `"stop"`.
   */
  stopReceiving(): void {
    this.#decoder.stop();
    this.#receiver.isStopped = true;
  }

  /**
   * Whether compressed bytes are held that were not inflated when the handler stopped: `receive` goes on
   * with them, also if there is no further input.
   */
  get hasUninflated(): boolean {
    return this.#receiver.isPending;
  }

  /**
   * Whether messages are handed on piece by piece (`receiveMessageStart`, `-Chunk`, `-End`) instead
   * of whole (`receiveMessage`). Setting it to `true` hands on what was collected of the message in
   * progress; setting it to `false` lets a message that is being streamed come to its end.
   *
   * @default {false}
   */
  set streaming(streaming: boolean) {
    this.#receiver.streaming = streaming;
  }

  /**
   * The largest message from now on, in bytes: an integer from 0, or `Infinity`. Past it: 1009.
   *
   * @throws {RangeError} If it is neither.
   */
  set maxMessageSize(maxMessageSize: number) {
    checks?.checkInteger("maxMessageSize", maxMessageSize, 0);
    this.#receiver.maxMessageSize = maxMessageSize;
  }

  /**
   * Takes bytes from the peer, and overwrites the payloads in them (unmasks them in place).
   *
   * @param bytes The array that holds the bytes.
   * @param start Where they begin. Default: 0.
   * @param end Where they end (exclusive). Default: `bytes.length`.
   * @param borrowed Whether the caller uses their memory again. Otherwise a message may be a view of
   * it, which saves a copy. Default: `true`.
   * @returns The position at which decoding ended: `end`, or less if the handler stopped it. The rest must
   * be given again, unchanged.
   * @throws {ProtocolError} If the peer broke the protocol or passed a limit. Nothing is received
   * any more; what was sent before may be finished, then {@linkcode Protocol.fail} is due (section
   * 7.1.7).
   */
  receive(bytes: Uint8Array, start = 0, end: number = bytes.length, borrowed = true): number {
    if (!this.#receiving) return end;
    this.#receiver.begin(borrowed);
    let consumed = start;
    try {
      if (this.#compression === undefined || this.#proceed()) {
        consumed = this.#decoder.decode(bytes, start, end);
      }
    } catch (error) {
      // Also what was not inflated is dropped: nobody would come to take it.
      this.receiveEnd();
      throw error;
    }
    // "After receiving a Close frame ... any further data is discarded" (sections 1.4 and 5.5.1)
    return this.#receiving ? consumed : end;
  }

  /**
   * Takes the end of the peer's bytes: nothing is received any more, and a message that is not whole
   * is dropped, as far as it was not handed on.
   */
  receiveEnd(): void {
    this.#receiving = false;
    this.#receiver.discard();
  }

  /**
   * Drops messages from now on, also the one that is arriving; Pings, Pongs and the Close frame are
   * still received. For a side that has decided to close, and has something to send before it does.
   */
  dropMessages(): void {
    this.#receiver.discard();
  }

  /**
   * Sends a whole message: a string as text, bytes as binary (section 5.6).
   *
   * @param data The message.
   * @param compress Whether to compress it, if compression was agreed upon. Default: from the
   * threshold's size on, which is compared with a string's length.
   * @returns Whether the output refers to `data` itself, which must then not change until it has
   * been written out.
   * @throws {TypeError} If `data` is neither a string nor a `Uint8Array`.
   * @throws {DOMException} `InvalidStateError` after a Close frame was sent, or within a message
   * that `sendFragment` began.
   */
  sendMessage(data: string | Uint8Array, compress?: boolean): boolean {
    this.#assertSendable();
    this.#assertNoFragments();
    if (typeof data !== "string") assertBytes(data);
    if (
      this.#compression !== undefined && (compress ?? data.length >= this.#compression.threshold)
    ) {
      const opcode = typeof data === "string" ? Opcode.Text : Opcode.Binary;
      this.#encoder.encode(true, true, opcode, this.#compression.deflater.deflateMessage(data));
      return false;
    }
    if (typeof data === "string") {
      this.#encoder.encodeText(data);
      return false;
    }
    return this.#encoder.encode(true, false, Opcode.Binary, data);
  }

  /**
   * Sends whole messages whose frames were encoded elsewhere, as this side would.
   *
   * @param chunks The frames, cut anywhere. They must not change until they have been written out.
   * @throws {DOMException} `InvalidStateError` after a Close frame was sent, or within a message
   * that `sendFragment` began.
   */
  sendFrames(chunks: readonly Uint8Array[]): void {
    this.#assertSendable();
    this.#assertNoFragments();
    for (const chunk of chunks) this.#encoder.append(chunk);
  }

  /**
   * Sends a fragment of a message (section 5.4). The first one tells the type of the message.
   *
   * @param type The type of the message. The pieces of a text may be cut anywhere.
   * @param payload The fragment's payload.
   * @param fin Whether it is the last one.
   * @param compress Whether to compress the message, if compression was agreed upon. Only the first
   * fragment's counts. Default: `true`.
   * @returns Whether the output refers to `payload` itself; see {@linkcode Protocol.sendMessage}.
   * @throws {TypeError} If `payload` is no `Uint8Array`.
   * @throws {DOMException} `InvalidStateError` after a Close frame was sent.
   */
  sendFragment(
    type: MessageType,
    payload: Uint8Array,
    fin: boolean,
    compress?: boolean,
  ): boolean {
    this.#assertSendable();
    assertBytes(payload);
    const opcode = this.#sendingFragments
      ? Opcode.Continuation
      : type === "text"
      ? Opcode.Text
      : Opcode.Binary;
    const isFirst = !this.#sendingFragments;
    this.#sendingFragments = !fin;
    if (isFirst) this.#isCompressing = this.#compression !== undefined && (compress ?? true);
    if (!this.#isCompressing) return this.#encoder.encode(fin, false, opcode, payload);
    const deflated = this.#compression!.deflater.deflateFragment(payload, fin);
    this.#encoder.encode(fin, isFirst, opcode, deflated);
    return false;
  }

  /**
   * Sends a Ping (section 5.5.2).
   *
   * @param payload At most 125 bytes.
   * @throws {TypeError} If the payload is longer.
   * @throws {DOMException} `InvalidStateError` after a Close frame was sent.
   */
  sendPing(payload: Uint8Array): void {
    this.#sendControl(Opcode.Ping, payload);
  }

  /**
   * Sends a Pong (section 5.5.3).
   *
   * @param payload At most 125 bytes; if it answers a Ping, that of the Ping.
   * @throws {TypeError} If the payload is longer.
   * @throws {DOMException} `InvalidStateError` after a Close frame was sent.
   */
  sendPong(payload: Uint8Array): void {
    this.#sendControl(Opcode.Pong, payload);
  }

  /**
   * Sends a Close frame, to start the closing handshake or to answer the peer's (section 5.5.1).
   * Messages that arrive from now on are dropped.
   *
   * @param status What it says; 1005 sends a frame without a status, as the answer to one.
   * @returns `false`, and nothing is sent, if a Close frame was sent before.
   * @throws {RangeError} If the code may not be on the wire (section 7.4).
   * @throws {TypeError} If the reason is longer than 123 bytes of UTF-8.
   */
  sendClose(status: CloseStatus): boolean {
    if (status.closeCode !== CloseCode.NoStatusReceived) checkCloseStatus(status);
    if (this.#state === "open") this.#state = "close-sent";
    else if (this.#state === "close-received") this.#state = "closed";
    else return false;
    this.#receiver.discard();
    this.#encoder.encode(true, false, Opcode.Close, encodeClosePayload(status));
    return true;
  }

  /**
   * Fails the connection: sends a Close frame with the error's code, if none was sent before, and
   * receives nothing any more (section 7.1.7).
   */
  fail(error: ProtocolError): void {
    const { closeCode, message } = error;
    this.sendClose({ closeCode, reason: truncateReason(message) });
    this.#receiving = false;
    this.#decoder.stop();
    if (this.#state !== "closed") this.#state = "failed";
  }

  /** Goes on with what was left to be inflated; `false` if it was stopped again. */
  #proceed(): boolean {
    const receiver = this.#receiver;
    if (!receiver.isPending) return true;
    receiver.proceed();
    // Also if the last piece stopped it: decoding must not begin, as it would stop inflating only.
    return !receiver.isPending && !receiver.isStopped && this.#receiving;
  }

  #sendControl(opcode: Opcode, payload: Uint8Array): void {
    this.#assertSendable();
    assertBytes(payload);
    if (payload.length > MAX_CONTROL_PAYLOAD_LENGTH) {
      throw new TypeError(
        `Cannot send a Ping or Pong of ${payload.length} bytes: at most ` +
          `${MAX_CONTROL_PAYLOAD_LENGTH} are allowed`,
      );
    }
    this.#encoder.encode(true, false, opcode, payload);
  }

  #receiveControl(opcode: Opcode, bytes: Uint8Array, start: number, end: number): unknown {
    if (opcode === Opcode.Close) {
      const status = decodeClosePayload(bytes, start, end);
      this.receiveEnd();
      this.#state = this.#state === "open" ? "close-received" : "closed";
      this.#handler.receiveClose(status);
      return STOP;
    }
    if (opcode === Opcode.Pong) return this.#handler.receivePong(cloneBytes(bytes, start, end));
    // Behind this side's Close frame there is no place for the Pong.
    if (this.#state !== "open") return undefined;
    return this.#handler.receivePing(bytes.subarray(start, end));
  }

  #assertNoFragments(): void {
    if (!this.#sendingFragments) return;
    throw new DOMException(
      "Cannot send a message: the fragmented one before it is not finished",
      "InvalidStateError",
    );
  }

  #assertSendable(): void {
    if (this.#state === "open" || this.#state === "close-received") return;
    throw new DOMException("Cannot send: a Close frame was sent", "InvalidStateError");
  }
}

/** Checks a message that the caller wants to send. */
export function assertMessage(data: unknown): asserts data is string | Uint8Array {
  if (typeof data !== "string") assertBytes(data);
}

function assertBytes(data: unknown): asserts data is Uint8Array {
  if (isUint8Array(data)) return;
  throw checks!.invalidMessage(data);
}
