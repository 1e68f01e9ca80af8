import { cloneBytes } from "../../codec/byte_collector.ts";
import { CloseCode, isCloseCode } from "../../codec/close_code.ts";
import { MAX_COPIED_LENGTH } from "../../codec/frame_encoder.ts";
import { type CloseStatus, MAX_REASON_LENGTH } from "../../protocol/close_payload.ts";
import type { CloseInfo, Message, Sendable } from "../connection.ts";
import type { ConnectionCore } from "../core.ts";
import { type AddOptions, ListenerTarget } from "./listener_target.ts";
import type { MessageIterator } from "./message_iterators.ts";
import { isThenable } from "../../hooks.ts";
import { isArrayBuffer, isBlob } from "../../values.ts";
import { setImmediate } from "../../timers.ts";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

const encoder = new TextEncoder();
/** Captured when this loads, like the base classes here, as tests replace globals. */
const { Event } = globalThis;

interface CloseEventFields {
  code: number;
  reason: string;
  wasClean: boolean;
}

/** The standard's `CloseEvent`: Node 22 has none. Captured as `Event` is. */
const CloseEvent = globalThis.CloseEvent ?? class CloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor(type: string, { code, reason, wasClean }: CloseEventFields) {
    super(type);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }

  get [Symbol.toStringTag](): string {
    return "CloseEvent";
  }
};

/** A `message` event. Its origin is computed on demand: it needs a `Request`, and is hardly ever used. */
class ReceivedEvent extends MessageEvent<string | Blob | ArrayBuffer> {
  readonly #view: WebSocketView;

  constructor(view: WebSocketView, data: string | Blob | ArrayBuffer) {
    super("message", { data });
    this.#view = view;
  }

  override get origin(): string {
    return new URL(this.#view.url).origin;
  }

  // The constructor of Deno's class sets it.
  override set origin(_origin: string) {}
}

/** A connection as a standard `WebSocket` (WHATWG WebSockets, section 3): see `Connection.asWebSocket`. */
export class WebSocketView extends ListenerTarget {
  static readonly CONNECTING: 0 = CONNECTING;
  static readonly OPEN: 1 = OPEN;
  static readonly CLOSING: 2 = CLOSING;
  static readonly CLOSED: 3 = CLOSED;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;
  declare onopen: WebSocket["onopen"];
  declare onmessage: WebSocket["onmessage"];
  declare onerror: WebSocket["onerror"];
  declare onclose: WebSocket["onclose"];

  static {
    for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
      Object.defineProperty(this.prototype, name, { value });
    }
    for (const type of ["open", "message", "error", "close"]) {
      Object.defineProperty(this.prototype, `on${type}`, {
        get(this: WebSocketView) {
          return this.handlerOf(type);
        },
        set(this: WebSocketView, handler: unknown) {
          this.setHandler(type, handler);
        },
        configurable: true,
      });
    }
  }

  readonly #core: ConnectionCore;
  readonly #messages: MessageIterator<Message>;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** Whether `open` has been dispatched. */
  #hasStarted = false;
  /** Whether a `message` listener was ever added: messages wait for it. */
  #isHeard = false;
  #isClosing = false;
  #isClosed = false;
  /** The bytes given to `send` that are not in the send queue: after the end, past its limit, or in Blobs. */
  #unsentSize = 0;

  constructor(core: ConnectionCore, messages: MessageIterator<Message>) {
    super();
    this.#core = core;
    this.#messages = messages;
    setImmediate(() => this.#start());
  }

  get [Symbol.toStringTag](): string {
    return "WebSocket";
  }

  get url(): string {
    return this.#core.conn.request.url.replace(/^http/, "ws");
  }

  get protocol(): string {
    return this.#core.info.protocol;
  }

  get extensions(): string {
    return this.#core.info.extensions;
  }

  get readyState(): 0 | 1 | 2 | 3 {
    if (this.#isClosed) return CLOSED;
    return this.#isClosing || !this.#core.closing.accepts ? CLOSING : OPEN;
  }

  get bufferedAmount(): number {
    const { length, droppedLength } = this.#core.outbound;
    return length + droppedLength + this.#unsentSize;
  }

  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  set binaryType(type: "blob" | "arraybuffer") {
    // Web IDL: assigning an invalid value of an enumeration is ignored.
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  protected override onListenerAdded(type: string, options: AddOptions): void {
    if (type !== "message" || this.#isHeard || this.#isClosed) return;
    // A listener whose signal has aborted is not added.
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
      void this.#core.conn.send(message);
      // It did not fit the send queue, and closed the connection.
      if (!this.#core.closing.accepts) this.#unsentSize += sizeOf(message);
    }
  }

  close(code?: number, reason?: string): void {
    const status = toCloseStatus(code, reason);
    if (this.readyState !== OPEN) return;
    this.#isClosing = true;
    this.#core.closing.close(status);
  }

  override failListener(error: unknown): void {
    this.#core.program.failCallback(error);
  }

  /** Sends a Blob as a stream; later messages wait for it. */
  #sendBlob(blob: Blob): void {
    const { size } = blob;
    const sent = this.#core.conn.sendStream("binary", blob.stream());
    this.#unsentSize += size;
    sent.then(() => this.#unsentSize -= size, (error) => this.#core.program.failCallback(error));
  }

  #start(): void {
    this.#hasStarted = true;
    if (this.readyState === OPEN) this.deliver(() => new Event("open"));
    if (this.#isHeard) this.#scheduleNext();
    void this.#core.closing.closed.then((info) => {
      // Otherwise `close` is dispatched after the last message.
      if (!this.#isHeard) this.#end(info);
    });
  }

  /** Schedules the next message for after the consequences of the last one. */
  #scheduleNext(): void {
    // Not a microtask: code that awaits message after message must have its next listener in place.
    setImmediate(() => this.#receiveNext());
  }

  #receiveNext(): void {
    const next = this.#messages.nextNow();
    if (isThenable(next)) void next.then((result) => this.#receive(result));
    else this.#receive(next);
  }

  #receive({ done, value }: IteratorResult<Message, undefined>): void {
    if (done) {
      void this.#core.closing.closed.then((info) => this.#end(info));
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
    // The standard reports the code of the peer's Close frame, even if this side's was sent first.
    const { closeCode: code, reason } = this.#core.closing.reason.receivedStatus ??
      { closeCode: CloseCode.AbnormalClosure, reason: "" };
    if (!wasClean) this.deliver(() => new Event("error"));
    this.deliver(() => new CloseEvent("close", { code, reason, wasClean }));
  }
}

/** Converts the argument of `send` as Web IDL does: other types become strings. */
function toMessage(data: unknown): Sendable | Blob {
  if (typeof data === "string" || isBlob(data)) return data;
  if (ArrayBuffer.isView(data)) return copy(data.buffer, data.byteOffset, data.byteLength);
  if (isArrayBuffer(data)) return copy(data, 0, data.byteLength);
  return String(data);
}

/** Copies bytes if the connection won't, as the caller may change them after `send`. */
function copy(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(buffer, offset, length);
  return length > MAX_COPIED_LENGTH ? cloneBytes(bytes, 0, length) : bytes;
}

function sizeOf(message: Sendable | Blob): number {
  if (isBlob(message)) return message.size;
  return typeof message === "string" ? encoder.encode(message).length : message.length;
}

/** Checks the arguments of `close`. The standard, made for browsers, allows fewer codes than servers need. */
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
  // Without code and reason, the Close frame has no body; a reason needs a code.
  const fallback = text === "" ? CloseCode.NoStatusReceived : CloseCode.NormalClosure;
  return { closeCode: closeCode ?? fallback, reason: text };
}
