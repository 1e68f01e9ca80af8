import "./common.ts";
import { CloseCode, isCloseCode } from "../codec/close_code.ts";
import { MAX_HEADER_LENGTH } from "../codec/frame.ts";
import { ProtocolError } from "../errors.ts";
import { show } from "../checks.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import { checkDecision, refusePromise } from "../hook_answers.ts";
import { RESOLVED } from "../promises.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { textSize } from "../text_size.ts";
import type { Delay, Waiting } from "../transport/delays.ts";
import { isUint8Array } from "../values.ts";
import type { Message, Sendable } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { checkMaxMessageSize } from "./create_layer.ts";
import type { LayerConnection, MessageLayer } from "./message_layer.ts";

/** Calls a message layer, and checks what it answers: an error of it ends its connection, and no other. */
export class LayerRunner implements Waiting {
  readonly #layer: MessageLayer;
  readonly #core: ConnectionCore;
  /** Whether its handshake is done. Until then it gets every message, and the program does not begin. */
  #isReady: boolean;
  /** How many bytes the rate limits have spared since the last message of its handshake. */
  #sparedSize = 0;
  #isClosed = false;
  /** Whether a getter of it threw: it is asked no more. */
  #isUnreadable = false;
  /** The deadline of its handshake, if there is one. */
  #deadline: Delay | undefined;
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
    try {
      return !this.#isUnreadable && (this.#layer.isFull ?? false);
    } catch (error) {
      this.#failReading(error);
      return false;
    }
  }

  get maxMessageSize(): number {
    const { maxMessageSize } = this.#core.settings.limits;
    if (this.#isUnreadable) return maxMessageSize;
    try {
      const size = this.#layer.maxMessageSize;
      checkMaxMessageSize("maxMessageSize", size);
      return size ?? maxMessageSize;
    } catch (error) {
      this.#failReading(error);
      return maxMessageSize;
    }
  }

  get heldSize(): number {
    if (this.#isUnreadable) return 0;
    try {
      const size = this.#layer.heldSize ?? 0;
      return Number.isSafeInteger(size) ? Math.max(0, size) : 0;
    } catch (error) {
      this.#failReading(error);
      return 0;
    }
  }

  /** Closes the connection for what a getter threw, once, and not within whatever asked for it. */
  #failReading(error: unknown): void {
    this.#isUnreadable = true;
    void RESOLVED.then(() => this.#fail(error));
  }

  /** Whether messages may be received as streams now. */
  get mayStream(): boolean {
    const { decode, decodeStart } = this.#layer;
    return this.#isReady && (decode === undefined || decodeStart !== undefined);
  }

  /** Whether messages may be sent as streams: they would go past an `encode` for whole messages. */
  get encodesStreams(): boolean {
    return this.#layer.encode === undefined || this.#layer.encodeStart !== undefined;
  }

  start(): void {
    const { info: { layerTimeoutMs = Infinity }, settings } = this.#core;
    if (!this.#isReady && layerTimeoutMs !== Infinity) {
      this.#deadline = settings.delays.start(this, layerTimeoutMs);
    }
    if (this.#layer.start === undefined) return;
    try {
      refusePromise("start", this.#layer.start(this.#connection()), this.#fail);
    } catch (error) {
      this.#isReady = false;
      this.#fail(error);
    }
  }

  #connection(): LayerConnection {
    const { closing, conn, inbound, outbound } = this.#core;
    return {
      send: (data) => {
        if (closing.accepts) void outbound.send(data);
      },
      pushStart: (type) => inbound.queue.pushStart(type),
      pushChunk: (bytes, start, end) => inbound.queue.pushChunk(bytes, start, end),
      pushEnd: () => inbound.queue.pushEnd(),
      dropReceived: () => inbound.usedQueue?.clear(),
      close: (status) => void conn.close(status),
    };
  }

  opened(): void {
    if (this.#layer.opened !== undefined) this.#tell("opened", this.#fail);
  }

  delivered(): void {
    if (this.#layer.delivered !== undefined) this.#tell("delivered", this.#fail);
  }

  close(): void {
    this.#deadline?.cancel();
    if (this.#layer.close === undefined || this.#isClosed) return;
    this.#isClosed = true;
    this.#tell("close", (error) => this.#core.reportError(error));
  }

  #tell(method: "opened" | "delivered" | "close", fail: (error: unknown) => void): void {
    try {
      refusePromise(method, this.#layer[method]!(), fail);
    } catch (error) {
      fail(error);
    }
  }

  // ---- Its handshake ----

  /** Its handshake is not done in time. */
  expire(): void {
    const reason = "No first message in time";
    void this.#core.conn.close({ closeCode: CloseCode.TryAgainLater, reason });
  }

  receiveHandshake(data: Message): void {
    if (!this.#isHandshakeDone(data)) return;
    this.#deadline?.cancel();
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
      if (type === "text" && typeof encoded !== "string" && decodeUtf8(encoded) === undefined) {
        throw new TypeError("encodeStart must return UTF-8 for a text");
      }
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
      refusePromise("decodeStart", this.#layer.decodeStart!(type), this.#fail);
    } catch (error) {
      this.#failDecoding(error);
    }
  }

  decodeChunk(bytes: Uint8Array, start: number, end: number): void {
    try {
      refusePromise("decodeChunk", this.#layer.decodeChunk!(bytes, start, end), this.#fail);
    } catch (error) {
      this.#failDecoding(error);
    }
  }

  decodeEnd(): void {
    try {
      refusePromise("decodeEnd", this.#layer.decodeEnd!(), this.#fail);
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
