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

/** The methods that answer nothing. */
type Told =
  | "start"
  | "opened"
  | "delivered"
  | "close"
  | "decodeStart"
  | "decodeChunk"
  | "decodeEnd";

/** Calls a message layer, and checks what it answers: an error of it ends its connection, and no other. */
export class LayerRunner implements Waiting {
  readonly #layer: MessageLayer;
  readonly #core: ConnectionCore;
  /** Whether its handshake is done. Until then it gets every message, and the program does not begin. */
  isReady: boolean;
  /** How many bytes the rate limits have spared since the last message of its handshake. */
  #sparedSize = 0;
  #isClosed = false;
  /** Whether a getter of it threw: it is asked no more. */
  #isUnreadable = false;
  #deadline: Delay | undefined;
  readonly #fail = (error: unknown): void => this.#core.program.failWith(error);
  /** Throws the error if the peer broke a rule of the layer; otherwise the layer failed to take a message. */
  readonly #failDecoding = (error: unknown): void => {
    if (error instanceof ProtocolError && isCloseCode(error.closeCode)) throw error;
    this.#fail(error);
  };

  constructor(layer: MessageLayer, core: ConnectionCore) {
    this.#layer = layer;
    this.#core = core;
    this.isReady = layer.handshake === undefined;
  }

  get isFull(): boolean {
    return this.#read("isFull") as MessageLayer["isFull"] ?? false;
  }

  get maxMessageSize(): number {
    const size = this.#read("maxMessageSize") as MessageLayer["maxMessageSize"];
    return size ?? this.#core.settings.limits.maxMessageSize;
  }

  get heldSize(): number {
    const size = this.#read("heldSize") as MessageLayer["heldSize"] ?? 0;
    return Number.isSafeInteger(size) ? Math.max(0, size) : 0;
  }

  /** Reads a property. What a getter throws closes the connection, once, and not within whatever asked for it. */
  #read(name: "isFull" | "maxMessageSize" | "heldSize"): unknown {
    if (this.#isUnreadable) return undefined;
    try {
      const value = this.#layer[name];
      if (name === "maxMessageSize") checkMaxMessageSize(name, value);
      return value;
    } catch (error) {
      this.#isUnreadable = true;
      void RESOLVED.then(() => this.#fail(error));
      return undefined;
    }
  }

  get mayStream(): boolean {
    const { decode, decodeStart } = this.#layer;
    return this.isReady && (decode === undefined || decodeStart !== undefined);
  }

  /** Whether messages may be sent as streams: they would go past an `encode` for whole messages. */
  get encodesStreams(): boolean {
    return this.#layer.encode === undefined || this.#layer.encodeStart !== undefined;
  }

  start(): void {
    const { closing, conn, inbound, info, outbound, settings } = this.#core;
    const { layerTimeoutMs = Infinity } = info;
    if (!this.isReady && layerTimeoutMs !== Infinity) {
      this.#deadline = settings.delays.start(this, layerTimeoutMs);
    }
    const seam: LayerConnection = {
      send: (data) => {
        if (closing.accepts) void outbound.send(data);
      },
      pushStart: (type) => inbound.queue.pushStart(type),
      pushChunk: (bytes, start, end) => inbound.queue.pushChunk(bytes, start, end),
      pushEnd: () => inbound.queue.pushEnd(),
      dropReceived: () => inbound.usedQueue?.clear(),
      close: (status) => void conn.close(status),
    };
    this.#tell("start", (error) => {
      this.isReady = false;
      this.#fail(error);
    }, seam);
  }

  opened(): void {
    this.#tell("opened", this.#fail);
  }

  delivered(): void {
    if (this.#layer.delivered !== undefined) this.#tell("delivered", this.#fail);
  }

  close(): void {
    this.#deadline?.cancel();
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#tell("close", (error) => this.#core.reportError(error));
  }

  /** Calls a method that answers nothing, if the layer has it. */
  #tell(method: Told, fail: (error: unknown) => void, ...args: unknown[]): void {
    try {
      const call = this.#layer[method] as ((...args: unknown[]) => unknown) | undefined;
      if (call === undefined) return;
      refusePromise(method, call.apply(this.#layer, args), method === "close" ? fail : this.#fail);
    } catch (error) {
      fail(error);
    }
  }

  /** Its handshake is not done in time. */
  expire(): void {
    const reason = "No first message in time";
    void this.#core.conn.close({ closeCode: CloseCode.TryAgainLater, reason });
  }

  receiveHandshake(data: Message): void {
    try {
      const isDone: unknown = this.#layer.handshake!(data);
      refusePromise("handshake", isDone, this.#fail);
      checkDecision("handshake", isDone);
      if (!isDone) return;
    } catch (error) {
      return this.#failDecoding(error);
    }
    this.#deadline?.cancel();
    this.isReady = true;
    this.#core.inbound.layerReady();
    this.#core.program.begin();
  }

  /** Spares the rate limits what may be of the handshake's next message; gives how many of the bytes are. */
  spare(count: number): number {
    if (this.isReady) return 0;
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

  /** Gives what is sent for a message; `undefined` if the layer failed, which closes the connection. */
  encode(data: Sendable): Sendable | undefined {
    return this.#layer.encode === undefined ? data : this.#encode("encode", data);
  }

  /** Gives what is sent before a stream; see {@linkcode LayerRunner.encode}. */
  encodeStart(type: MessageType): Sendable | undefined {
    return this.#layer.encodeStart === undefined ? "" : this.#encode("encodeStart", type);
  }

  #encode(method: "encode" | "encodeStart", argument: Sendable): Sendable | undefined {
    try {
      const encoded: unknown = this.#layer[method]!(argument as MessageType);
      this.#checkMessage(method, encoded);
      const isText = method === "encodeStart" && argument === "text";
      if (isText && typeof encoded !== "string" && decodeUtf8(encoded) === undefined) {
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

  get decodesStreams(): boolean {
    return this.#layer.decodeStart !== undefined;
  }

  pushStart(type: MessageType): void {
    this.#tell("decodeStart", this.#failDecoding, type);
  }

  pushChunk(bytes: Uint8Array, start: number, end: number): void {
    this.#tell("decodeChunk", this.#failDecoding, bytes, start, end);
  }

  pushEnd(): void {
    this.#tell("decodeEnd", this.#failDecoding);
  }

  /** @throws {TypeError} If what a method gave is no message. */
  #checkMessage(name: string, data: unknown): asserts data is Sendable {
    if (typeof data === "string" || isUint8Array(data)) return;
    refusePromise(name, data, this.#fail);
    throw new TypeError(`${name} must return a string or a Uint8Array, got ${show(data)}`);
  }
}
