import { cloneBytes } from "../../codec/byte_collector.ts";
import { CloseCode, isCloseCode } from "../../codec/close_code.ts";
import { MAX_COPIED_LENGTH } from "../../codec/frame_encoder.ts";
import { type CloseStatus, MAX_REASON_LENGTH } from "../../protocol/close_payload.ts";
import type { MessageType } from "../../protocol/message_receiver.ts";
import { createCloseEvent } from "./close_event.ts";
import type { CloseInfo, Message, Sendable, SendableStream } from "../connection.ts";
import { type AddOptions, ListenerTarget } from "./listener_target.ts";
import type { MessageIterator } from "./message_iterators.ts";
import { isArrayBuffer, isBlob, isPromise } from "../../values.ts";
import { setImmediate } from "../../timers.ts";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

const encoder = new TextEncoder();
/** Kept, like the classes that are extended here. */
const { Event } = globalThis;

/** What the view does with the connection. */
export interface WebSocketViewOwner {
  readonly request: Request;
  readonly protocol: string;
  readonly extensions: string;
  readonly bufferedAmount: number;
  /** The bytes that were accepted, and dropped as the connection ended. */
  readonly droppedAmount: number;
  readonly closed: Promise<CloseInfo>;
  /** Whether messages can still be sent: also behind the peer's Close frame, until it is answered. */
  readonly isSendable: boolean;
  /** What the peer's Close frame said, if it came. */
  readonly receivedStatus: CloseStatus | undefined;
  send(data: Sendable): Promise<void>;
  sendStream(type: MessageType, stream: SendableStream): Promise<void>;
  /** Closes with a status that was checked; 1005 for none. */
  startClosing(status: CloseStatus): void;
  /** A callback or a listener threw, or rejected. */
  failCallback(error: unknown): void;
}

/** A `message` event. Most are never asked for their origin, which takes a `Request`. */
class ReceivedEvent extends MessageEvent<string | Blob | ArrayBuffer> {
  readonly #view: WebSocketView;

  constructor(view: WebSocketView, data: string | Blob | ArrayBuffer) {
    super("message", { data });
    this.#view = view;
  }

  override get origin(): string {
    return new URL(this.#view.url).origin;
  }

  // Deno's own class sets it, for every event.
  override set origin(_origin: string) {}
}

/**
 * A connection with the face of the WHATWG WebSockets standard, section 3, for code that was written
 * for it. See `Connection.asWebSocket`.
 */
export class WebSocketView extends ListenerTarget {
  static readonly CONNECTING: 0 = CONNECTING;
  static readonly OPEN: 1 = OPEN;
  static readonly CLOSING: 2 = CLOSING;
  static readonly CLOSED: 3 = CLOSED;

  readonly #owner: WebSocketViewOwner;
  readonly #messages: MessageIterator<Message>;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** Whether `open` has been dispatched: the code that asked for the view has set its listeners. */
  #hasStarted = false;
  /** Whether there was a listener for messages: until then they wait. */
  #isHeard = false;
  #isClosing = false;
  #isClosed = false;
  /** The bytes of the Blobs that are being sent, or could not be. */
  #blobSize = 0;
  /** The bytes that `send` was given when it was too late, or too much. */
  #unsentSize = 0;

  constructor(owner: WebSocketViewOwner, messages: MessageIterator<Message>) {
    super();
    this.#owner = owner;
    this.#messages = messages;
    setImmediate(() => this.#start());
  }

  get CONNECTING(): 0 {
    return CONNECTING;
  }

  get OPEN(): 1 {
    return OPEN;
  }

  get CLOSING(): 2 {
    return CLOSING;
  }

  get CLOSED(): 3 {
    return CLOSED;
  }

  get [Symbol.toStringTag](): string {
    return "WebSocket";
  }

  get url(): string {
    return this.#owner.request.url.replace(/^http/, "ws");
  }

  get protocol(): string {
    return this.#owner.protocol;
  }

  get extensions(): string {
    return this.#owner.extensions;
  }

  get readyState(): 0 | 1 | 2 | 3 {
    if (this.#isClosed) return CLOSED;
    return this.#isClosing || !this.#owner.isSendable ? CLOSING : OPEN;
  }

  get bufferedAmount(): number {
    const { bufferedAmount, droppedAmount } = this.#owner;
    return bufferedAmount + droppedAmount + this.#blobSize + this.#unsentSize;
  }

  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  set binaryType(type: "blob" | "arraybuffer") {
    // What is no value of a Web IDL enumeration is ignored.
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  get onopen(): WebSocket["onopen"] {
    return this.handlerOf("open");
  }

  set onopen(handler: WebSocket["onopen"]) {
    this.setHandler("open", handler);
  }

  get onmessage(): WebSocket["onmessage"] {
    return this.handlerOf("message");
  }

  set onmessage(handler: WebSocket["onmessage"]) {
    this.setHandler("message", handler);
  }

  get onerror(): WebSocket["onerror"] {
    return this.handlerOf("error");
  }

  set onerror(handler: WebSocket["onerror"]) {
    this.setHandler("error", handler);
  }

  get onclose(): WebSocket["onclose"] {
    return this.handlerOf("close");
  }

  set onclose(handler: WebSocket["onclose"]) {
    this.setHandler("close", handler);
  }

  protected override onListenerAdded(type: string, options: AddOptions): void {
    if (type !== "message" || this.#isHeard || this.#isClosed) return;
    // A listener whose signal has aborted is none.
    if (typeof options === "object" && options?.signal?.aborted) return;
    this.#isHeard = true;
    if (this.#hasStarted) this.#scheduleNext();
  }

  send(data: string | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    if (arguments.length === 0) throw new TypeError("Cannot send: there is no message");
    const message = toMessage(data);
    if (this.readyState !== OPEN) this.#unsentSize += sizeOf(message);
    else if (isBlob(message)) this.#sendBlob(message);
    else {
      void this.#owner.send(message);
      // It was too much, and has closed the connection.
      if (!this.#owner.isSendable) this.#unsentSize += sizeOf(message);
    }
  }

  close(code?: number, reason?: string): void {
    const status = toCloseStatus(code, reason);
    if (this.readyState !== OPEN) return;
    this.#isClosing = true;
    this.#owner.startClosing(status);
  }

  override failListener(error: unknown): void {
    this.#owner.failCallback(error);
  }

  /** Sends what is still to be read. What is sent behind it waits. */
  #sendBlob(blob: Blob): void {
    const { size } = blob;
    const sent = this.#owner.sendStream("binary", blob.stream());
    this.#blobSize += size;
    sent.then(() => this.#blobSize -= size, (error) => this.#owner.failCallback(error));
  }

  #start(): void {
    this.#hasStarted = true;
    if (this.readyState === OPEN) this.deliver(() => new Event("open"));
    if (this.#isHeard) this.#scheduleNext();
    void this.#owner.closed.then((info) => {
      // Otherwise it is the last of the events, behind the messages.
      if (!this.#isHeard) this.#end(info);
    });
  }

  /** Has the next message delivered when everything that follows from the last one is done. */
  #scheduleNext(): void {
    // Not a microtask: whoever awaits one message after the other must be ready for the next.
    setImmediate(() => this.#receiveNext());
  }

  #receiveNext(): void {
    const next = this.#messages.nextNow();
    if (isPromise(next)) void next.then((result) => this.#receive(result));
    else this.#receive(next);
  }

  #receive({ done, value }: IteratorResult<Message, undefined>): void {
    if (done) {
      void this.#owner.closed.then((info) => this.#end(info));
      return;
    }
    if (!this.#isClosing) this.deliver(() => new ReceivedEvent(this, this.#toData(value)));
    this.#scheduleNext();
  }

  #toData(message: Message): string | Blob | ArrayBuffer {
    if (typeof message === "string") return message;
    const bytes = message as Uint8Array<ArrayBuffer>;
    if (this.#binaryType === "blob") return new Blob([bytes]);
    const { buffer, byteLength } = bytes;
    return buffer.byteLength === byteLength ? buffer : bytes.slice().buffer;
  }

  #end({ wasClean }: CloseInfo): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // The standard's code is that of the peer's Close frame, also where this side's came first.
    const { closeCode: code, reason } = this.#owner.receivedStatus ??
      { closeCode: CloseCode.AbnormalClosure, reason: "" };
    if (!wasClean) this.deliver(() => new Event("error"));
    this.deliver(() => createCloseEvent({ code, reason, wasClean }));
  }
}

/** Converts what `send` is given, as Web IDL does: what it does not know becomes a string. */
function toMessage(data: unknown): Sendable | Blob {
  if (typeof data === "string" || isBlob(data)) return data;
  if (ArrayBuffer.isView(data)) return copy(data.buffer, data.byteOffset, data.byteLength);
  if (isArrayBuffer(data)) return copy(data, 0, data.byteLength);
  return String(data);
}

/** Copies bytes, which the caller may change at once, where the connection does not. */
function copy(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(buffer, offset, length);
  return length > MAX_COPIED_LENGTH ? cloneBytes(bytes, 0, length) : bytes;
}

function sizeOf(message: Sendable | Blob): number {
  if (isBlob(message)) return message.size;
  return typeof message === "string" ? encoder.encode(message).length : message.length;
}

/**
 * Checks what `close` is given.
 *
 * The standard has a browser's code in mind, and allows 1000 and 3000 to 4999; here, as servers need
 * more, it is what a Close frame may carry.
 */
function toCloseStatus(code: unknown, reason: unknown): CloseStatus {
  const closeCode = code === undefined ? undefined : Math.round(Number(code));
  if (closeCode !== undefined && !isCloseCode(closeCode)) {
    throw new DOMException(
      `Cannot close with the status code ${code}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 are ` +
        "allowed",
      "InvalidAccessError",
    );
  }
  const text = reason === undefined ? "" : String(reason);
  const { length } = encoder.encode(text);
  if (length > MAX_REASON_LENGTH) {
    throw new DOMException(
      `Cannot close with a reason of ${length} bytes: at most ${MAX_REASON_LENGTH} bytes of UTF-8 ` +
        "are allowed",
      "SyntaxError",
    );
  }
  // Without either, the Close frame has no body; a reason can't be without a code.
  const fallback = text === "" ? CloseCode.NoStatusReceived : CloseCode.NormalClosure;
  return { closeCode: closeCode ?? fallback, reason: text };
}
