import { isCloseCode } from "../codec/close_code.ts";
import { ProtocolError } from "../errors.ts";
import { show } from "../checks.ts";
import { callHook, checkDecision, refusePromise } from "../hooks.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { textSize } from "../text_size.ts";
import { isUint8Array } from "../values.ts";
import type { Message, Sendable } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import type { LayerConnection, MessageLayer } from "./message_layer.ts";

/** The longest header of a frame, in bytes. */
const MAX_HEADER_LENGTH = 14;

/** Calls a message layer, and checks what it answers: an error of it ends its connection, and no other. */
export class LayerRunner {
  readonly #layer: MessageLayer;
  readonly #core: ConnectionCore;
  /** Whether its handshake is done. Until then it gets every message, and the program does not begin. */
  #isReady: boolean;
  /** How many bytes the rate limits have spared since the last message of its handshake. */
  #sparedSize = 0;
  #isClosed = false;
  // Once for the connection, not for each message.
  readonly #tellDelivered = (): unknown => this.#layer.delivered!();
  readonly #fail = (error: unknown): void => this.#core.program.failWith(error);

  constructor(layer: MessageLayer, core: ConnectionCore) {
    this.#layer = layer;
    this.#core = core;
    this.#isReady = layer.handshake === undefined;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isFull(): boolean {
    return this.#layer.isFull ?? false;
  }

  get maxMessageSize(): number {
    return this.#layer.maxMessageSize ?? this.#core.settings.limits.maxMessageSize;
  }

  get heldSize(): number {
    const size = this.#layer.heldSize ?? 0;
    return Number.isSafeInteger(size) ? Math.max(0, size) : 0;
  }

  /** Whether messages may be received as streams now. */
  get mayStream(): boolean {
    const { decode, decodeStart } = this.#layer;
    return this.#isReady && (decode === undefined || decodeStart !== undefined);
  }

  start(): void {
    const layer = this.#layer;
    if (layer.start === undefined) return;
    callHook(() => layer.start!(this.#connection()), (error) => {
      this.#isReady = false;
      this.#fail(error);
    });
  }

  #connection(): LayerConnection {
    const { closing, conn, inbound: { queue }, outbound } = this.#core;
    return {
      send: (data) => {
        if (closing.accepts) void outbound.send(data);
      },
      pushStart: (type) => queue.pushStart(type),
      pushChunk: (bytes, start, end) => queue.pushChunk(bytes, start, end),
      pushEnd: () => queue.pushEnd(),
      dropReceived: () => queue.clear(),
      close: (status) => void conn.close(status),
    };
  }

  opened(): void {
    const layer = this.#layer;
    if (layer.opened !== undefined) callHook(() => layer.opened!(), this.#fail);
  }

  delivered(): void {
    if (this.#layer.delivered !== undefined) callHook(this.#tellDelivered, this.#fail);
  }

  close(): void {
    const layer = this.#layer;
    if (layer.close === undefined || this.#isClosed) return;
    this.#isClosed = true;
    callHook(() => layer.close!(), (error) => this.#core.reportError(error));
  }

  // ---- Its handshake ----

  receiveHandshake(data: Message): void {
    if (!this.#isHandshakeDone(data)) return;
    this.#isReady = true;
    this.#core.inbound.layerReady();
    this.#core.program.begin();
  }

  #isHandshakeDone(data: Message): boolean {
    try {
      const isDone: unknown = this.#layer.handshake!(data);
      refusePromise("handshake", isDone, this.#fail);
      checkDecision("handshake", isDone);
      return isDone;
    } catch (error) {
      this.#failDecoding(error);
      return false;
    }
  }

  /** Spares the rate limits what may be of the handshake's next message; gives how many of the bytes are. */
  spare(count: number): number {
    if (this.#isReady) return 0;
    const spared = Math.min(count, this.maxMessageSize + MAX_HEADER_LENGTH - this.#sparedSize);
    this.#sparedSize += spared;
    return spared;
  }

  /** Gives how many of the bytes that were spared are not of this message, once it is whole. */
  takeExcess(data: Message): number {
    const size = typeof data === "string" ? textSize(data) : data.length;
    const excess = this.#sparedSize - size - MAX_HEADER_LENGTH;
    this.#sparedSize = 0;
    return Math.max(0, excess);
  }

  // ---- Messages ----

  /** Gives what is sent for a message; `undefined` if the layer failed, which closes the connection. */
  encode(data: Sendable): Sendable | undefined {
    if (this.#layer.encode === undefined) return data;
    try {
      const encoded: unknown = this.#layer.encode(data);
      this.#checkMessage("encode", encoded);
      return encoded;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** Gives what is sent before a stream; see {@linkcode LayerRunner.encode}. */
  encodeStart(type: MessageType): Sendable | undefined {
    if (this.#layer.encodeStart === undefined) return "";
    try {
      const encoded: unknown = this.#layer.encodeStart(type);
      this.#checkMessage("encodeStart", encoded);
      return encoded;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** Gives the program's message; `undefined` if there is none. */
  decode(received: Message): Message | undefined {
    if (this.#layer.decode === undefined) return received;
    try {
      const data: unknown = this.#layer.decode(received);
      if (data !== undefined && data !== received) this.#checkMessage("decode", data);
      return data as Message | undefined;
    } catch (error) {
      this.#failDecoding(error);
      return undefined;
    }
  }

  /** Whether the layer takes messages that are received as streams. */
  get decodesStreams(): boolean {
    return this.#layer.decodeStart !== undefined;
  }

  decodeStart(type: MessageType): void {
    try {
      this.#layer.decodeStart!(type);
    } catch (error) {
      this.#failDecoding(error);
    }
  }

  decodeChunk(bytes: Uint8Array, start: number, end: number): void {
    try {
      this.#layer.decodeChunk!(bytes, start, end);
    } catch (error) {
      this.#failDecoding(error);
    }
  }

  decodeEnd(): void {
    try {
      this.#layer.decodeEnd!();
    } catch (error) {
      this.#failDecoding(error);
    }
  }

  // ---- Its errors ----

  /**
   * Closes the connection as the layer failed to take a message.
   *
   * @throws {ProtocolError} The error, if the peer broke a rule of the layer.
   */
  #failDecoding(error: unknown): void {
    if (error instanceof ProtocolError && isCloseCode(error.closeCode)) throw error;
    this.#fail(error);
  }

  /** @throws {TypeError} If what a method gave is no message. */
  #checkMessage(name: string, data: unknown): asserts data is Sendable {
    if (typeof data === "string" || isUint8Array(data)) return;
    refusePromise(name, data, this.#fail);
    throw new TypeError(`${name} must return a string or a Uint8Array, got ${show(data)}`);
  }
}
