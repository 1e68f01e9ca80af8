import { cloneBytes } from "../codec/byte_collector.ts";
import { CloseCode, isCloseCode } from "../codec/close_code.ts";
import { MAX_CONTROL_PAYLOAD_LENGTH, type Role } from "../codec/frame.ts";
import {
  checkBoolean,
  checkOptions,
  checkSignal,
  MAX_DURATION_MS,
  type Names,
  type Optional,
  show,
} from "../checks.ts";
import { ConnectionClosedError, ProtocolError } from "../errors.ts";
import {
  callHook,
  checkDecision,
  isThenable,
  refusePromise,
  saysAborted,
  untilSettled,
} from "../hooks.ts";
import { clearTimeout, setImmediate, setTimeout } from "../timers.ts";
import { checkCloseStatus, type CloseStatus } from "../protocol/close_payload.ts";
import type { ConnectionCompression } from "../protocol/message_compression.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { textSize } from "../text_size.ts";
import { isUint8Array } from "../values.ts";
import { assertMessage, Protocol, type ProtocolHandler } from "../protocol/protocol.ts";
import type { RetainedRequest } from "../http1/retained_request.ts";
import type { Budget, BudgetMember } from "./budget.ts";
import type { Address, ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import type {
  CloseInfo,
  Connection,
  ConnectionCallbacks,
  ConnectionStats,
  IncomingMessage,
  Message,
  Sendable,
  SendableStream,
  SendOptions,
  SendStreamOptions,
  TrySendResult,
  WaitOptions,
} from "./connection.ts";
import { EndErrors } from "./end_errors.ts";
import type { FanOutSink } from "./fan_out.ts";
import { closeStatusOf, isReasonless } from "./give_up.ts";
import { Intake, type IntakeOwner } from "./intake.ts";
import { KeepAlive, type KeepAliveTarget } from "./keep_alive.ts";
import type { LayerConnection, MessageLayer } from "./message_layer.ts";
import { iterateMessages, iterateStreams } from "./views/message_iterators.ts";
import { createReadable, createWritable, type Readable } from "./views/message_streams.ts";
import type { ConnectionSettings } from "./options.ts";
import { PingTracker } from "./ping_tracker.ts";
import { abortable, createDeferred, type Deferred, rejected, RESOLVED } from "../promises.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { ReceivedPing, ReceiveQueue, type ReceiveQueueOwner } from "./receive_queue.ts";
import { SendQueue, type SendQueueOwner } from "./send_queue.ts";
import { checkStream, sendFragments, type StreamOwner } from "./send_stream.ts";
import { FRAGMENT_COST, MESSAGE_COST } from "./turns.ts";
import { WebSocketView, type WebSocketViewOwner } from "./views/web_socket_view.ts";

const WAIT_OPTIONS: Names<WaitOptions> = { signal: true };
const SEND_OPTIONS: Names<SendOptions> = { ...WAIT_OPTIONS, compress: true };
const SEND_STREAM_OPTIONS: Names<SendStreamOptions> = {
  ...SEND_OPTIONS,
  closeCode: true,
  reason: true,
};
const CLOSE_OPTIONS: Names<CloseStatus> = { closeCode: true, reason: true };

function checkSendOptions(options: SendOptions): void {
  checkSignal(options.signal);
  checkBoolean("compress", options.compress);
}

/** What the opening handshake agreed upon. */
export interface ConnectionInfo<Data> {
  readonly request: RetainedRequest;
  readonly protocol: string;
  readonly extensions: string;
  readonly compression: ConnectionCompression | undefined;
  readonly data: Data;
  /** What encodes and decodes messages, if both sides agreed to a subprotocol that does. */
  readonly layer?: MessageLayer | undefined;
}

/** What a connection tells the server that owns it. */
export interface ConnectionOwner {
  /** The memory it shares with others, if there is a limit to it. */
  readonly budget?: Budget | undefined;
  /** The program's code threw, or rejected. */
  reportError(error: unknown, conn: Connection): void;
  /** The connection has ended. */
  removeConnection(conn: Connection, info: CloseInfo): void;
}

/** Why nothing is received any more; dealt with when the messages before it have been handled. */
type End = CloseStatus | ProtocolError | "end-of-stream";

const EMPTY = new Uint8Array(0);
/** The longest header of a frame, in bytes. */
const MAX_HEADER_LENGTH = 14;

/**
 * How soon there is read on once a slow program has made room, in milliseconds: not with each message, as
 * the quick ones would pay for it.
 */
const READ_ON_MS = 10;

/** Gives what fan-out sends to. */
export let fanOutSinkOf: <Data>(conn: WebSocketConnection<Data>) => FanOutSink;

/**
 * The implementation of {@linkcode Connection}: one open WebSocket over a byte channel. What is
 * received goes through the protocol to the receive queue (or the callbacks), what is sent through
 * the protocol to the send queue. This class keeps the order of events, and the end.
 */
export class WebSocketConnection<Data>
  implements
    Connection<Data>,
    ByteChannelHandler,
    ProtocolHandler,
    IntakeOwner,
    ReceiveQueueOwner,
    SendQueueOwner,
    StreamOwner,
    KeepAliveTarget,
    WebSocketViewOwner,
    BudgetMember {
  // Not a method: programs have the object.
  static {
    fanOutSinkOf = (conn) => conn.#sendQueue;
  }

  data: Data;
  readonly #role: Role;
  readonly #channel: ByteChannel;
  readonly #info: ConnectionInfo<Data>;
  readonly #settings: ConnectionSettings;
  readonly #callbacks: ConnectionCallbacks<Data> | undefined;
  readonly #owner: ConnectionOwner;
  readonly #protocol: Protocol;
  readonly #intake: Intake;
  readonly #sendQueue: SendQueue;
  readonly #receiveQueue: ReceiveQueue;
  readonly #keepAlive: KeepAlive | undefined;
  readonly #rateLimiter: RateLimiter | undefined;
  /** Set while the peer has to wait, because it sent too much. */
  #rateTimer: unknown;
  /** Whether a message that is received as a stream has begun, and is not whole. */
  #isArriving = false;
  #pings: PingTracker | undefined;
  #readable: Readable | undefined;
  #writable: ReturnType<typeof createWritable> | undefined;
  #view: WebSocketView | undefined;
  readonly #layer: MessageLayer | undefined;
  /** Whether the layer's handshake is done. Until then the layer gets every message, and nothing begins. */
  #isReady: boolean;
  /** How many bytes the rate limits have spared since the layer's last message of its handshake. */
  #sparedSize = 0;
  #isLayerClosed = false;
  /** Whether the program receives messages as streams. */
  #wantsStreams = false;
  /** What begins with the connection. */
  #handler: ((conn: Connection<Data>) => unknown) | undefined;
  #isStarted = false;
  /** Whether it is known how the program receives: by callback, iteration, streams or events. */
  #hasReceiver: boolean;
  /** The number of promises of callbacks that are being awaited. */
  #handling = 0;
  /** The payload of the latest Ping that could not be answered yet: a flood of them is one. */
  #pendingPong: Uint8Array | undefined;
  #pendingPongLength = -1;
  #end: End | undefined;
  #isEndSettled = false;
  #hasPeerEnded = false;
  #closeInfo: CloseInfo | undefined;
  #closeTimer: unknown;
  #isAbortDue = false;
  readonly #endErrors: EndErrors = new EndErrors();
  #isClosed = false;
  /** Aborts `signal`, which most programs never ask for. */
  #ending: AbortController | undefined;
  /** Whether callbacks have yet to begin, in the next turn. */
  #areCallbacksDue = false;
  /** Set while it is due to read on, since a message was taken. */
  #readOnTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #budget: Budget | undefined;
  /** What the request takes: here, since it is asked for with each read, when the request is not in any cache. */
  #requestSize: number;
  /** What the budget was told last. */
  #counted = 0;
  #bytesReceived = 0;
  #messagesReceived = 0;
  #messagesSent = 0;
  #closed: Deferred<CloseInfo> | undefined;

  constructor(
    role: Role,
    channel: ByteChannel,
    info: ConnectionInfo<Data>,
    settings: ConnectionSettings,
    callbacks: ConnectionCallbacks<Data> | undefined,
    owner: ConnectionOwner,
  ) {
    this.data = info.data;
    this.#role = role;
    this.#channel = channel;
    this.#info = info;
    this.#settings = settings;
    this.#callbacks = callbacks;
    this.#hasReceiver = callbacks !== undefined;
    this.#owner = owner;
    this.#budget = owner.budget;
    this.#requestSize = info.request.heldSize;
    const { compression, layer } = info;
    this.#layer = layer;
    this.#isReady = layer?.handshake === undefined;
    const { maxFragments } = settings.limits;
    const maxMessageSize = this.#maxMessageSize();
    this.#protocol = new Protocol(role, this, { maxMessageSize, maxFragments, compression });
    this.#intake = new Intake(channel, this.#protocol, settings.turns, this);
    this.#receiveQueue = new ReceiveQueue(settings.limits, this);
    // A program with callbacks is given one message after another.
    const mayExpectMore = callbacks === undefined;
    this.#sendQueue = new SendQueue(channel, this.#protocol, settings.limits, mayExpectMore, this);
    if (settings.rateLimits !== undefined) {
      this.#rateLimiter = new RateLimiter(settings.rateLimits, settings.clock);
    }
    if (settings.keepAlive !== undefined) {
      this.#keepAlive = new KeepAlive(settings.keepAlive, settings.delays, this);
    }
    channel.handler = this;
  }

  /**
   * Answers the opening handshake, on a channel that is paused, or that brings nothing until `start` has
   * returned. Before the program's code, which may send and receive at once.
   *
   * @param response What is still to be sent of the opening handshake.
   * @param received What has arrived behind the opening handshake.
   */
  answer(response: Uint8Array, received: Uint8Array, hasEnded: boolean): void {
    this.#sendQueue.sendHandshake(response);
    this.#bytesReceived = received.length;
    this.#intake.prepend(received, hasEnded);
  }

  /**
   * Begins for a program that is given the connection by a promise: its callbacks begin in the next turn,
   * when the promise has resolved and the code behind it has run. What arrives meanwhile waits for them.
   */
  startLater(): void {
    if (this.#callbacks !== undefined) {
      this.#areCallbacksDue = true;
      this.#handling++;
      void this.#settings.turns.next().then(() => this.#startCallbacks());
    } else if (this.#layer !== undefined) {
      this.#areCallbacksDue = true;
      void this.#settings.turns.next().then(() => this.#open());
    }
    this.start();
  }

  #startCallbacks(): void {
    this.#handling--;
    this.#open();
    if (this.#isClosed) return this.#callClose();
    this.#callForWaiting();
    this.continueReceiving();
  }

  /**
   * Begins, once the opening handshake is answered.
   *
   * @param handler Handles the connection for its whole life, which ends with it.
   */
  start(handler?: (conn: this) => unknown): void {
    // Whoever was told of the connection may have dropped it already.
    if (this.#isClosed) return;
    this.#handler = handler as ((conn: Connection<Data>) => unknown) | undefined;
    const layer = this.#layer;
    if (layer?.start !== undefined) {
      this.#callLayer(() => layer.start!(this.#layerConnection()), () => this.#isReady = false);
    }
    if (this.#isReady) this.#start();
    this.continueReceiving();
    this.#intake.pauseUnlessReading();
  }

  #start(): void {
    this.#isStarted = true;
    if (this.#handler !== undefined) void this.#run(this.#handler);
    if (!this.#areCallbacksDue) this.#open();
  }

  #open(): void {
    this.#areCallbacksDue = false;
    if (!this.#isStarted) return;
    if (this.#callbacks?.open !== undefined) this.#call(this.#callbacks.open, undefined, true);
    if (this.#layer?.opened !== undefined) this.#callLayer(() => this.#layer!.opened!());
  }

  // ---- The layer ----

  /** The largest message that may arrive, in bytes. */
  #maxMessageSize(): number {
    return this.#layer?.maxMessageSize ?? this.#settings.limits.maxMessageSize;
  }

  #layerConnection(): LayerConnection {
    return {
      send: (data) => {
        if (this.isSendable) void this.#sendQueue.send(data);
      },
      pushStart: (type) => this.#pushStart(type),
      pushChunk: (bytes, start, end) => this.#pushChunk(bytes, start, end),
      pushEnd: () => this.#receiveQueue.pushEnd(),
      dropReceived: () => this.#receiveQueue.clear(),
      close: (status) => void this.close(status),
    };
  }

  /** Calls a method of the layer from which nothing is needed. If it fails, the connection is closed. */
  #callLayer(call: () => unknown, onFailure?: () => void): void {
    callHook(call, (error) => {
      onFailure?.();
      this.#failWith(error);
    });
  }

  /** Gives the layer a message of its handshake; begins if that was the last. */
  #receiveHandshake(data: Message): void {
    this.#countReceived();
    const excess = this.#sparedSize - sizeOf(data) - MAX_HEADER_LENGTH;
    this.#sparedSize = 0;
    this.#rateLimiter?.countBytes(Math.max(0, excess));
    if (this.#isHandshakeDone(data)) {
      this.#isReady = true;
      this.#protocol.maxMessageSize = this.#maxMessageSize();
      if (this.#wantsStreams) this.#receiveStreams();
      this.#start();
    }
    if (this.#isTooFast()) this.#protocol.stopReceiving();
  }

  #isHandshakeDone(data: Message): boolean {
    try {
      const isDone: unknown = this.#layer!.handshake!(data);
      refusePromise("handshake", isDone, (error) => this.#failWith(error));
      checkDecision("handshake", isDone);
      return isDone;
    } catch (error) {
      this.#failLayer(error);
      return false;
    }
  }

  /**
   * Closes the connection as the layer failed to take a message.
   *
   * @throws {ProtocolError} The error, if the peer broke a rule of the layer.
   */
  #failLayer(error: unknown): void {
    if (error instanceof ProtocolError && isCloseCode(error.closeCode)) throw error;
    this.#failWith(error);
  }

  /** Has messages received as streams, unless the layer needs them whole. */
  #receiveStreams(): void {
    this.#wantsStreams = true;
    const { decode, decodeStart } = this.#layer ?? {};
    const isPossible = decode === undefined || decodeStart !== undefined;
    if (isPossible && this.#isReady) this.#protocol.streaming = true;
  }

  /** Has the layer encode; gives nothing if it failed, which closes the connection. */
  encode(data: Sendable): Sendable | undefined {
    const layer = this.#layer;
    return layer?.encode === undefined ? data : this.#encodeBy("encode", () => layer.encode!(data));
  }

  #encodeStart(type: MessageType): Sendable | undefined {
    const layer = this.#layer;
    return layer?.encodeStart === undefined
      ? ""
      : this.#encodeBy("encodeStart", () => layer.encodeStart!(type));
  }

  #encodeBy(name: string, encode: () => Sendable): Sendable | undefined {
    try {
      const encoded: unknown = encode();
      this.#checkMessage(name, encoded);
      return encoded;
    } catch (error) {
      this.#failWith(error);
      return undefined;
    }
  }

  /** Has the layer decode a message. */
  #decode(layer: MessageLayer, received: Message): Message | undefined {
    try {
      const data: unknown = layer.decode!(received);
      if (data === undefined || data === received) return data as Message | undefined;
      this.#checkMessage("decode", data);
      // It may be in memory of its own.
      this.#receiveQueue.startRead();
      return data as Message;
    } catch (error) {
      this.#failLayer(error);
      return undefined;
    }
  }

  #decodePart(decode: () => void): void {
    try {
      decode();
    } catch (error) {
      this.#failLayer(error);
    }
  }

  /** @throws {TypeError} If what a method of the layer gave is no message. */
  #checkMessage(name: string, data: unknown): asserts data is Sendable {
    if (typeof data === "string" || isUint8Array(data)) return;
    refusePromise(name, data, (error) => this.#failWith(error));
    throw new TypeError(`${name} must return a string or a Uint8Array, got ${show(data)}`);
  }

  #closeLayer(): void {
    const layer = this.#layer;
    if (layer?.close === undefined || this.#isLayerClosed) return;
    this.#isLayerClosed = true;
    callHook(() => layer.close!(), (error) => this.#owner.reportError(error, this));
  }

  get request(): Request {
    const { request } = this.#info;
    const value = request.get();
    this.#requestSize = request.heldSize;
    return value;
  }

  get protocol(): string {
    return this.#info.protocol;
  }

  get extensions(): string {
    return this.#info.extensions;
  }

  get remoteAddress(): Address {
    return this.#channel.remoteAddress;
  }

  get localAddress(): Address {
    return this.#channel.localAddress;
  }

  get state(): "open" | "closing" | "closed" {
    if (this.#isClosed) return "closed";
    return this.isSendable && this.#end === undefined ? "open" : "closing";
  }

  get signal(): AbortSignal {
    if (this.#ending === undefined) {
      this.#ending = new AbortController();
      this.#tellEnding();
    }
    return this.#ending.signal;
  }

  get bufferedAmount(): number {
    return this.#sendQueue.length;
  }

  get droppedAmount(): number {
    return this.#sendQueue.droppedLength;
  }

  get closed(): Promise<CloseInfo> {
    if (this.#closed === undefined) {
      this.#closed = createDeferred();
      if (this.#isClosed) this.#closed.resolve(this.#closeInfo!);
    }
    return this.#closed.promise;
  }

  // ---- Receiving, as the program does it ----

  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined, void> {
    this.#startReceiver(false);
    return iterateMessages(this.#receiveQueue);
  }

  messages(): AsyncIterableIterator<IncomingMessage, undefined, void> {
    this.#startReceiver(true);
    return iterateStreams(this.#receiveQueue);
  }

  get readable(): ReadableStream<Message> {
    if (this.#readable !== undefined) {
      this.#receiveQueue.assertNotRead(this.#receiveQueue.stream);
    } else {
      this.#startReceiver(false);
      const messages = iterateMessages(this.#receiveQueue, () => this.#readable!.stream.locked);
      this.#readable = createReadable(
        messages,
        () => this.#endError(),
        (reason) => this.#cancelReading(reason),
      );
      this.#receiveQueue.stream = messages;
    }
    return this.#readable.stream;
  }

  asWebSocket(): WebSocket {
    if (this.#view === undefined) {
      if (this.#hasReceiver) {
        const receiver = this.#callbacks === undefined ? "an iteration or a stream" : "callbacks";
        throw new DOMException(
          `Cannot give the connection as a WebSocket: its messages go to ${receiver}`,
          "InvalidStateError",
        );
      }
      this.#startReceiver(false);
      this.#view = new WebSocketView(this, iterateMessages(this.#receiveQueue));
    }
    // The `WebSocket` of Bun's types has methods that the standard's has not.
    return this.#view as EventTarget as WebSocket;
  }

  #startReceiver(streaming: boolean): void {
    if (this.#callbacks !== undefined || this.#view !== undefined) {
      const receiver = this.#view === undefined ? "the message callback" : "asWebSocket()";
      throw new DOMException(
        `Cannot receive by iteration or streams: the messages go to ${receiver}`,
        "InvalidStateError",
      );
    }
    this.#receiveQueue.assertNotRead();
    this.#hasReceiver = true;
    if (streaming) this.#receiveStreams();
    else this.#protocol.streaming = this.#wantsStreams = false;
  }

  // ---- Receiving: the channel's bytes ----

  receive(bytes: Uint8Array, lent: boolean): void {
    this.#keepAlive?.heard();
    this.#bytesReceived += bytes.length;
    if (this.#rateLimiter !== undefined && !this.#countBytes(bytes.length)) return;
    this.#sendQueue.cork();
    this.#receiveQueue.startRead();
    this.#intake.receive(bytes, lent);
    this.#sendQueue.uncork();
    this.#waitForRate();
    this.recountHeld();
  }

  receiveEnd(): void {
    if (!this.#intake.receiveEnd()) return;
    this.#hasPeerEnded = true;
    if (!this.#isEndSettled) this.#receiveEndOf("end-of-stream");
    else if (this.#sendQueue.isFinished) this.#sendQueue.end();
  }

  drain(): void {
    const length = this.#pendingPongLength;
    this.#pendingPongLength = -1;
    if (length >= 0 && !this.#sendQueue.isFinished) {
      this.#protocol.sendPong(this.#pendingPong!.subarray(0, length));
    }
    this.#sendQueue.drain();
  }

  failDecoding(error: unknown): void {
    if (error instanceof ProtocolError) this.#receiveEndOf(error);
    // A fault of this library, or of memory: it ends this connection, and no other.
    else this.#failWith(error);
  }

  continueReceiving(): void {
    if (this.#intake.isDecoding || this.#isClosed) return;
    if (this.#intake.hasWork) {
      this.#sendQueue.cork();
      this.#receiveQueue.startRead();
      this.#intake.proceed();
      this.#sendQueue.uncork();
    }
    if (this.#isIdle()) {
      this.#sendQueue.flush();
      this.#settleEnd();
    } else if (this.#mayBeUnread()) {
      this.#settleIfUnread();
    }
    this.#intake.resume();
    this.#waitForRate();
    this.recountHeld();
  }

  /** Returns whether the bytes are to be taken. Behind this side's Close frame none are too many. */
  #countBytes(count: number): boolean {
    if (!this.isSendable) return true;
    try {
      this.#rateLimiter?.countBytes(this.#isReady ? count : count - this.#spare(count));
      return true;
    } catch (error) {
      this.failDecoding(error);
      return false;
    }
  }

  /** Spares the rate limits what may be of the handshake's next message; gives how many bytes that is. */
  #spare(count: number): number {
    const spared = Math.min(count, this.#maxMessageSize() + MAX_HEADER_LENGTH - this.#sparedSize);
    this.#sparedSize += spared;
    return spared;
  }

  /** Goes on receiving when the peer, which sent too much, has waited long enough. */
  #waitForRate(): void {
    if (this.#rateLimiter === undefined || this.#rateTimer !== undefined || this.#isClosed) return;
    const waitMs = this.#rateLimiter.waitMs(this.#isArriving);
    if (waitMs === 0) return;
    this.#rateTimer = this.#settings.clock.setTimeout(() => {
      this.#rateTimer = undefined;
      this.continueReceiving();
    }, Math.min(waitMs, MAX_DURATION_MS));
  }

  /** Whether the program has handled everything that was received. */
  #isIdle(): boolean {
    return this.#handling === 0 && this.#receiveQueue.isIdle;
  }

  get isMoreExpected(): boolean {
    return this.#receiveQueue.isBusy &&
      (this.#receiveQueue.length > 0 || this.#intake.hasNext);
  }

  get isFull(): boolean {
    // What arrives behind this side's Close frame is dropped: there is always room for it.
    if (!this.isSendable) return false;
    // Without a receiver it is open whether the message will be wanted whole: it must not grow past
    // the queue's limit before somebody says so.
    const isWhole = this.#hasReceiver || !this.#isReady;
    return this.#isTooFast() || this.#layer?.isFull ||
      this.#receiveQueue.isFull(isWhole ? 0 : this.#protocol.collectedLength) ||
      (this.#budget !== undefined && this.#budget.isShort &&
        this.#budget.mustWait(this, this.#budgetedSize()));
  }

  // A method, as all that is asked for each message: V8 calls its runtime for each use of a private getter.
  #isTooFast(): boolean {
    return this.#rateLimiter !== undefined && this.#rateLimiter.waitMs(this.#isArriving) > 0;
  }

  // ---- Receiving: the protocol's events ----

  receiveMessage(received: Message): void {
    if (!this.#isReady) return this.#receiveHandshake(received);
    this.#countMessage();
    const layer = this.#layer;
    const data = layer?.decode === undefined ? received : this.#decode(layer, received);
    if (data === undefined) {
      if (this.isFull) this.#protocol.stopReceiving();
      return;
    }
    if (this.#callbacks === undefined || this.#mustCallbackWait()) {
      this.#receiveQueue.push(data);
      if (this.isFull) this.#protocol.stopReceiving();
      return;
    }
    this.#tellDelivered();
    const { message } = this.#callbacks;
    if (message !== undefined) this.#call(message, data);
    if (this.#isTooFast()) this.#protocol.stopReceiving();
  }

  receiveMessageStart(type: MessageType): void {
    this.#countMessage();
    this.#isArriving = true;
    const layer = this.#layer;
    if (layer?.decodeStart === undefined) this.#pushStart(type);
    else this.#decodePart(() => layer.decodeStart!(type));
  }

  #countMessage(): void {
    this.#rateLimiter?.countMessage();
    this.#countReceived();
  }

  #countReceived(): void {
    this.#messagesReceived++;
    this.#intake.countWork(MESSAGE_COST);
  }

  countFragment(): void {
    this.#intake.countWork(FRAGMENT_COST);
  }

  countInflated(size: number): void {
    this.#intake.countWork(MESSAGE_COST + size);
    if (this.#rateLimiter === undefined || !this.#isReady) return;
    this.#rateLimiter.countInflatedBytes(size);
    if (this.#isTooFast()) this.#protocol.stopReceiving();
  }

  receiveMessageChunk(bytes: Uint8Array, start: number, end: number): void {
    const layer = this.#layer;
    if (layer?.decodeStart === undefined) this.#pushChunk(bytes, start, end);
    else this.#decodePart(() => layer.decodeChunk!(bytes, start, end));
  }

  receiveMessageEnd(): void {
    this.#isArriving = false;
    const layer = this.#layer;
    if (layer?.decodeStart === undefined) this.#receiveQueue.pushEnd();
    else this.#decodePart(() => layer.decodeEnd!());
    if (this.isFull) this.#protocol.stopReceiving();
  }

  #pushStart(type: MessageType): void {
    this.#receiveQueue.pushStart(type);
    if (this.isFull) this.#protocol.stopReceiving();
  }

  #pushChunk(bytes: Uint8Array, start: number, end: number): void {
    this.#receiveQueue.pushChunk(bytes, start, end);
    if (this.isFull) this.#protocol.stopReceiving();
  }

  #tellDelivered(): void {
    const layer = this.#layer;
    if (layer?.delivered !== undefined) this.#callLayer(() => layer.delivered!());
  }

  messageTaken(): void {
    this.#tellDelivered();
    if (this.#readOnTimer === undefined && this.#intake.isPaused && this.#callbacks === undefined) {
      this.#readOnLater();
    }
  }

  /**
   * Reads on soon, where there is room: while the program is at work on the message it has taken, the peer's
   * Close frame is to be seen behind the others. A quick program takes them all before, and reads on then.
   */
  #readOnLater(): void {
    if (this.#isClosed) return;
    this.#readOnTimer = setTimeout(() => {
      this.#readOnTimer = undefined;
      this.continueReceiving();
    }, READ_ON_MS);
  }

  handOut(size: number): void {
    this.#settings.turns.handOut(size);
  }

  queueEnded(): void {
    this.#readable?.end();
  }

  takeBack(): Message | undefined {
    return this.#readable?.takeBack();
  }

  receivePing(payload: Uint8Array): void {
    this.#countControlFrame();
    // "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to
    // previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently
    // processed Ping frame." (section 5.5.3)
    if (this.#sendQueue.isBlocked) {
      this.#pendingPong ??= new Uint8Array(MAX_CONTROL_PAYLOAD_LENGTH);
      this.#pendingPong.set(payload);
      this.#pendingPongLength = payload.length;
    } else {
      this.#sendPong(payload);
    }
    const ping = this.#callbacks?.ping;
    if (ping === undefined || !this.#isStarted || !this.isSendable) return;
    const copy = cloneBytes(payload, 0, payload.length);
    if (this.#mustCallbackWait()) {
      this.#receiveQueue.push(new ReceivedPing(copy));
      if (this.isFull) this.#protocol.stopReceiving();
    } else {
      this.#call(ping, copy);
    }
  }

  receivePong(payload: Uint8Array<ArrayBuffer>): void {
    this.#countControlFrame();
    this.#pings?.receivePong(payload);
  }

  #countControlFrame(): void {
    this.#intake.countWork(MESSAGE_COST);
    if (this.#rateLimiter === undefined || !this.isSendable) return;
    this.#rateLimiter.countControlFrame();
    if (this.#isTooFast()) this.#protocol.stopReceiving();
  }

  receiveClose(status: CloseStatus): void {
    this.#closeInfo ??= { ...status, wasClean: false, initiator: "remote" };
    this.#receiveEndOf(status);
  }

  // ---- Sending ----

  send(data: Sendable, options?: SendOptions): Promise<void> {
    assertMessage(data);
    if (options !== undefined) {
      checkOptions("send", options, SEND_OPTIONS);
      checkSendOptions(options);
    }
    // First, since that may close this connection, too.
    this.#sendQueue.source?.flush();
    if (!this.isSendable) return rejected(this.closedError());
    if (options?.signal?.aborted) return rejected(options.signal.reason);
    if (!this.#sendQueue.hasRoomFor(data)) {
      const { sendQueueOverflow } = this.#settings.limits;
      if (sendQueueOverflow === "drop") return RESOLVED;
      if (sendQueueOverflow === "close") {
        this.breakOff({
          closeCode: CloseCode.TryAgainLater,
          reason: "The send queue is full: the peer reads too slowly",
        });
        return rejected(this.closedError());
      }
    }
    const encoded = this.encode(data);
    if (encoded === undefined) return rejected(this.closedError());
    // First, since `drain` may be called in between, and end the connection.
    this.#messagesSent++;
    const sent = this.#sendQueue.send(encoded, options?.compress);
    return options === undefined ? sent : abortable(sent, options.signal);
  }

  trySend(data: Sendable): TrySendResult {
    assertMessage(data);
    this.#sendQueue.source?.flush();
    if (!this.isSendable) return "closed";
    if (!this.#sendQueue.hasRoomFor(data)) return "dropped";
    const encoded = this.encode(data);
    if (encoded === undefined) return "closed";
    this.#messagesSent++;
    this.#sendQueue.send(encoded);
    return this.#sendQueue.isAboveHighWater ? "queued" : "sent";
  }

  sendStream(
    type: MessageType,
    stream: SendableStream,
    options?: SendStreamOptions,
  ): Promise<void> {
    if (type !== "text" && type !== "binary") {
      throw new TypeError(
        `Cannot send a message of type ${show(type)}: it is "text" or "binary"`,
      );
    }
    checkStream(stream);
    if (options !== undefined) {
      checkOptions("sendStream", options, SEND_STREAM_OPTIONS);
      checkSendOptions(options);
      // Now, since later it is only seen where something else has failed.
      checkCloseStatus(brokenStatus(options));
    }
    this.#sendQueue.source?.flush();
    const prefix = this.isSendable ? this.#encodeStart(type) : undefined;
    if (prefix === undefined) {
      const error = this.closedError();
      callHook(() => stream.cancel(error), () => {});
      return rejected(error);
    }
    const sent = sendFragments(this.#sendQueue, type, stream, options ?? {}, prefix, this);
    sent.catch(() => {});
    return sent;
  }

  streamBegun(): void {
    this.#messagesSent++;
  }

  streamBroken(error: unknown, options: SendStreamOptions): void {
    // Its end was the reason.
    if (this.#sendQueue.isFinished) return;
    // Where it was given up for the end, that has its code already; but 1000 would say that all was sent.
    const status = this.#isForEnd(error) && this.#closeInfo?.closeCode !== CloseCode.NormalClosure
      ? this.#closeInfo
      : closeStatusOf(error);
    this.breakOff(status ?? brokenStatus(options));
  }

  get writable(): WritableStream<Sendable> {
    this.#writable ??= createWritable(this);
    if (this.#isClosed) this.#writable.fail(this.closedError());
    return this.#writable.stream;
  }

  ping(options: WaitOptions = {}): Promise<number> {
    checkOptions("ping", options, WAIT_OPTIONS);
    checkSignal(options.signal);
    if (!this.isSendable) return rejected(this.closedError());
    if (options.signal?.aborted) return rejected(options.signal.reason);
    this.#pings ??= new PingTracker(this.#settings.clock);
    const { payload, roundTripTime } = this.#pings.start();
    this.#protocol.sendPing(payload);
    this.#sendQueue.requestFlush();
    return abortable(roundTripTime, options.signal);
  }

  #sendPong(payload: Uint8Array): void {
    this.#protocol.sendPong(payload);
    this.#sendQueue.requestFlush();
  }

  get isSendable(): boolean {
    return this.#sendQueue.isOpen;
  }

  // ---- The memory shared with other connections ----

  /** The bytes held on the way to the program and to the peer. */
  #heldSize(): number {
    return this.#intake.heldLength + this.#protocol.heldLength +
      this.#receiveQueue.heldSize + this.#sendQueue.heldSize + this.#requestSize +
      (this.#pings?.heldSize ?? 0) +
      this.#layerSize();
  }

  #layerSize(): number {
    const size = this.#layer?.heldSize ?? 0;
    return Number.isSafeInteger(size) ? Math.max(0, size) : 0;
  }

  /** The same, without the part of a read that waits for its turn: nobody is closed for that. */
  #budgetedSize(): number {
    return this.#heldSize() - this.#intake.waitingLength;
  }

  recountHeld(): number {
    if (this.#budget === undefined || this.#isClosed) return 0;
    const held = this.#budgetedSize();
    if (held !== this.#counted) {
      const change = held - this.#counted;
      this.#counted = held;
      this.#budget.count(change);
    }
    return held;
  }

  get isCounted(): boolean {
    return this.#counted > 0;
  }

  get retainedSize(): number {
    return this.#budgetedSize() + this.#sendQueue.sharedLength +
      (this.#sendQueue.source?.heldSize ?? 0);
  }

  shed(): void {
    const reason = "The server is short of memory";
    // Behind what the peer does not read no Close frame would reach it.
    if (this.#sendQueue.isBlocked || this.state !== "open") this.#drop(reason);
    else this.breakOff({ closeCode: CloseCode.TryAgainLater, reason });
    this.recountHeld();
  }

  // ---- Keep-alive ----

  takePause(): boolean {
    return this.#intake.takePause();
  }

  sendKeepAlivePing(): void {
    if (this.#sendQueue.isFinished) return;
    // Nobody waits for its Pong: an empty one is not matched to anything.
    this.#protocol.sendPing(EMPTY);
    this.#sendQueue.requestFlush();
  }

  dropSilentPeer(): void {
    this.#drop("The peer is silent: no answer to a Ping");
  }

  // ---- The end ----

  close(status: Optional<CloseStatus> = {}, ...others: never[]): Promise<CloseInfo> {
    checkOptions("close", status, CLOSE_OPTIONS);
    if (others.length > 0) {
      throw new TypeError("Cannot close with two arguments: it is close({ closeCode, reason })");
    }
    const { closeCode = CloseCode.NormalClosure, reason = "" } = status;
    checkCloseStatus({ closeCode, reason });
    this.startClosing({ closeCode, reason });
    return this.closed;
  }

  startClosing(status: CloseStatus): void {
    this.#sendQueue.source?.flush();
    if (this.#end !== undefined) {
      if (this.#callbacks !== undefined) this.#receiveQueue.clear();
      this.#settleEnd();
    } else if (this.isSendable && !this.#isClosed) {
      this.#closeInfo = { ...status, wasClean: false, initiator: "local" };
      this.#protocol.dropMessages();
      this.#receiveQueue.failArriving(this.#lazyClosedError());
      this.#receiveQueue.clear();
      this.#writable?.fail(this.closedError());
      this.#closeLayer();
      this.#sendQueue.finish(() => {
        this.#protocol.sendClose(this.#closeInfo!);
        this.#sendQueue.requestFlush();
      });
      this.#startAbortTimer();
      this.continueReceiving();
      this.#tellEnding();
    }
  }

  /**
   * Closes as the program cancels `readable`. A loop over it cancels it without a reason also where it
   * throws: so that waits a turn, in which the handler may fail, or close otherwise.
   */
  #cancelReading(reason: unknown): void {
    const closeCode = isReasonless(reason) ? CloseCode.NormalClosure : CloseCode.InternalError;
    const status = closeStatusOf(reason);
    if (status !== undefined) this.startClosing(status);
    else setImmediate(() => this.startClosing({ closeCode, reason: "" }));
  }

  abortWriting(reason: unknown): void {
    this.startClosing(closeStatusOf(reason) ?? { closeCode: CloseCode.InternalError, reason: "" });
  }

  /** Closes without what would have to wait: a message sent as a stream, and what that held back. */
  breakOff(status: CloseStatus): void {
    this.startClosing(status);
    // A Close frame that still waited must not tell that all before it was sent.
    if (this.#end === undefined && !this.#sendQueue.isFinished) {
      this.#closeInfo = { ...status, wasClean: false, initiator: "local" };
    }
    this.#sendQueue.breakOff(this.#lazyClosedError());
  }

  get receivedStatus(): CloseStatus | undefined {
    return isCloseStatus(this.#end) ? this.#end : undefined;
  }

  /** What the peer did for which this side ended the connection, if that is how it ended. */
  get failure(): ProtocolError | undefined {
    const end = this.#end;
    return end instanceof ProtocolError && this.#closeInfo?.reason === end.message
      ? end
      : undefined;
  }

  abort(): void {
    this.#drop("");
  }

  stats(): ConnectionStats {
    return {
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#sendQueue.takenLength,
      messagesReceived: this.#messagesReceived,
      messagesSent: this.#messagesSent + (this.#sendQueue.source?.messagesSent ?? 0),
      receiveQueueLength: this.#receiveQueue.length,
      bufferedAmount: this.bufferedAmount,
      heldSize: this.#heldSize(),
      roundTripTimeMs: this.#pings?.roundTripTimeMs,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => {});
  }

  receiveClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#intake.stop();
    this.#keepAlive?.stop();
    this.#closeLayer();
    this.#settings.clock.clearTimeout(this.#closeTimer);
    this.#settings.clock.clearTimeout(this.#rateTimer);
    clearTimeout(this.#readOnTimer);
    const info: CloseInfo = {
      ...this.#closeInfo ?? abnormalClosure("remote", ""),
      wasClean: this.#protocol.state === "closed" && this.#sendQueue.isSent,
    };
    this.#closeInfo = info;
    const getError = this.#lazyClosedError();
    this.#sendQueue.destroy(getError);
    this.#pings?.destroy(getError());
    this.#receiveQueue.failArriving(getError);
    // Callbacks get nothing more behind that of the end.
    if (this.#callbacks === undefined) this.#receiveQueue.end();
    else this.#receiveQueue.clear();
    this.#sendQueue.source?.close();
    this.#info.compression?.close();
    this.#budget?.count(-this.#counted);
    this.#budget?.leave(this);
    this.#writable?.fail(getError());
    this.#closed?.resolve(info);
    this.#tellEnding();
    // Before its callback, where the program may look who is still there.
    this.#owner.removeConnection(this, info);
    if (!this.#areCallbacksDue) this.#callClose();
  }

  #callClose(): void {
    if (this.#callbacks?.close !== undefined && this.#isReady) {
      this.#call(this.#callbacks.close, this.#closeInfo!);
    }
  }

  /** Notes why nothing is received any more, and acts on it when the messages before are handled. */
  #receiveEndOf(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (end instanceof ProtocolError) this.#endErrors.add(end);
    if (end === "end-of-stream") {
      this.#protocol.receiveEnd();
      this.#closeInfo ??= abnormalClosure("remote", "");
    }
    // A message whose rest won't come must not keep the program waiting.
    this.#receiveQueue.failArriving(
      end instanceof ProtocolError ? () => end : this.#lazyClosedError(),
    );
    const isClosing = !this.isSendable;
    // Nobody reads the rest of a message that has begun; answers to what came before may be whole messages.
    const isBroken = this.#sendQueue.isStreaming && this.#isPeerDone();
    if (isBroken) this.#sendQueue.breakOff(this.#lazyClosedError());
    if (isClosing || this.#isIdle() || (isBroken && this.#keepsUnread())) this.#settleEnd();
    else if (this.#mayBeUnread()) this.#settleIfUnread();
    if (!this.#isAbortDue && !this.#isClosed) {
      // The program has its time for the messages before, and for what it sends.
      this.#startCloseTimer(() => {
        this.#settleEnd();
        this.#sendQueue.breakOff(this.#lazyClosedError());
      });
    }
    this.#tellEnding();
  }

  /** Whether the peer's Close frame says that it has failed the connection, turned it away, or is going away. */
  #isPeerDone(): boolean {
    const closeCode = this.receivedStatus?.closeCode ?? CloseCode.NoStatusReceived;
    return closeCode < 3000 && closeCode !== CloseCode.NormalClosure &&
      closeCode !== CloseCode.NoStatusReceived;
  }

  /** Whether messages that wait can be received after the end, too: by iteration and streams. */
  #keepsUnread(): boolean {
    return this.#callbacks === undefined && this.#view === undefined;
  }

  /**
   * Whether a server has closed and its client reads nothing of what came before: it is not to wait for that.
   * A server's program may be about to answer what a client sent, and closed behind.
   */
  #mayBeUnread(): boolean {
    return this.#role === "client" && this.receivedStatus !== undefined && !this.#isEndSettled &&
      this.#keepsUnread() && !this.#receiveQueue.isBusy;
  }

  /** Answers the server then, unless the program begins to read, as it does behind `connect`. */
  #settleIfUnread(): void {
    void this.#settings.turns.next().then(() => {
      if (this.#mayBeUnread()) this.#settleEnd();
    });
  }

  /** Aborts `signal`, if the end has begun: last, since the program's listeners may do anything. */
  #tellEnding(): void {
    if (this.#ending === undefined || this.state === "open") return;
    this.#ending.abort(this.#end instanceof ProtocolError ? this.#end : this.closedError());
  }

  /** Answers what ended the receiving, once: with a Close frame where one is due, and with FIN. */
  #settleEnd(): void {
    const end = this.#end;
    if (end === undefined || this.#isEndSettled || this.#isClosed) return;
    this.#isEndSettled = true;
    this.#sendQueue.source?.flush();
    if (end instanceof ProtocolError) {
      const { closeCode, message } = end;
      this.#closeInfo ??= { closeCode, reason: message, wasClean: false, initiator: "local" };
    }
    this.#receiveQueue.end();
    this.#sendQueue.finish(() => {
      if (end instanceof ProtocolError) {
        this.#protocol.fail(end);
      } else if (end !== "end-of-stream") {
        // "it typically echos the status code it received" (section 5.5.1)
        this.#protocol.sendClose({ closeCode: end.closeCode, reason: "" });
      }
      // A server closes TCP first, a client waits for the server to do so (section 7.1.1).
      const isServersTurn = this.#role === "client" && this.#protocol.state === "closed";
      if (isServersTurn && !this.#hasPeerEnded) this.#sendQueue.requestFlush();
      else this.#sendQueue.end();
      this.#startAbortTimer();
    });
    // A peer that broke the protocol, or has gone without a Close frame, is not sent what has to wait.
    if (end instanceof ProtocolError || end === "end-of-stream") {
      this.#sendQueue.breakOff(this.#lazyClosedError());
    }
    this.continueReceiving();
  }

  /** Allows the peer its time for the rest of the close; nothing extends it. */
  #startAbortTimer(): void {
    if (this.#isAbortDue) return;
    this.#isAbortDue = true;
    this.#startCloseTimer(() => this.#drop(""));
  }

  #startCloseTimer(onTimeout: () => void): void {
    const { clock, closeTimeoutMs } = this.#settings;
    clock.clearTimeout(this.#closeTimer);
    if (closeTimeoutMs !== Infinity) this.#closeTimer = clock.setTimeout(onTimeout, closeTimeoutMs);
  }

  /** What the streams error with at the end; nothing where the connection ended in order. */
  #endError(): Error | undefined {
    if (this.#end instanceof ProtocolError) return this.#end;
    const isInOrder = this.#closeInfo !== undefined &&
      this.#closeInfo.closeCode !== CloseCode.AbnormalClosure;
    return isInOrder ? undefined : this.closedError();
  }

  /** Gives the same for those who wait for something, if any do: its stack costs more than the rest of an end. */
  #lazyClosedError(): () => ConnectionClosedError {
    let error: ConnectionClosedError | undefined;
    return () => error ??= this.closedError();
  }

  closedError(): ConnectionClosedError {
    const { closeCode, reason } = this.#closeInfo ??
      { closeCode: CloseCode.AbnormalClosure, reason: "" };
    return this.#endErrors.add(
      new ConnectionClosedError("The connection is closing or closed", closeCode, reason),
    );
  }

  #drop(reason: string): void {
    if (this.#isClosed) return;
    this.#closeInfo ??= abnormalClosure("local", reason);
    this.#channel.abort();
    this.receiveClosed();
  }

  // ---- The program's code ----

  async #run(handler: (conn: Connection<Data>) => unknown): Promise<void> {
    try {
      await handler(this);
      this.close();
    } catch (error) {
      this.#failWith(error);
    }
  }

  callDrain(): void {
    this.#sendQueue.finishIfDue();
    // Behind those that begin in the next turn.
    if (this.#areCallbacksDue) void this.#settings.turns.next().then(() => this.#callDrain());
    else this.#callDrain();
  }

  #callDrain(): void {
    if (this.#callbacks?.drain !== undefined && !this.#isClosed) this.#call(this.#callbacks.drain);
  }

  /**
   * Calls a callback; where it returns a promise, the next message waits for it.
   *
   * @param isOpen Whether it is `open`: see {@linkcode failCallback}.
   */
  #call<T>(
    callback: (conn: Connection<Data>, argument: T) => unknown,
    argument?: T,
    isOpen?: boolean,
  ): void {
    try {
      const result: unknown = callback.call(this.#callbacks, this, argument as T);
      // RESOLVED is what `send` returns where the peer keeps up: nothing to wait for.
      if (result !== RESOLVED && isThenable(result)) void this.#await(result, isOpen);
    } catch (error) {
      this.failCallback(error, isOpen);
    }
  }

  /** Has the next message wait until a callback's promise has settled. */
  async #await(promise: PromiseLike<unknown>, isOpen?: boolean): Promise<void> {
    this.#handling++;
    await untilSettled(promise, (error) => this.failCallback(error, isOpen));
    this.#handling--;
    this.#callForWaiting();
    this.continueReceiving();
  }

  /** Whether a callback has to wait for the promise of another, or for those that wait already. */
  #mustCallbackWait(): boolean {
    return this.#handling > 0 || this.#receiveQueue.length > 0;
  }

  /** Calls callbacks for what waits, until one gives a promise, or others are to have their turn. */
  #callForWaiting(): void {
    if (this.#receiveQueue.length === 0) return;
    const { turns } = this.#settings;
    this.#sendQueue.cork();
    while (this.#handling === 0 && this.#receiveQueue.length > 0) {
      if (turns.isOver) {
        void this.#await(turns.next());
        break;
      }
      const next = this.#receiveQueue.shift();
      turns.spend(MESSAGE_COST);
      const { message, ping } = this.#callbacks!;
      if (next instanceof ReceivedPing) {
        if (ping !== undefined) this.#call(ping, next.payload);
      } else if (message !== undefined) {
        this.#call(message, next);
      }
    }
    this.#sendQueue.uncork();
  }

  /** Whether a program failed because `signal` had told it to stop. */
  #isForEnd(error: unknown): boolean {
    return saysAborted(error, this.#ending?.signal);
  }

  /** Whether a program failed because this connection ended, which is no error of the program. */
  #isOwnEnd(error: unknown): boolean {
    return this.#endErrors.ownerOf(error) === "this" || this.#isForEnd(error);
  }

  /** @param isOpen Whether it was `open`: what it had to check or set up has not been done. */
  failCallback(error: unknown, isOpen?: boolean): void {
    if (!isOpen && this.#endErrors.ownerOf(error) === "another") {
      // This connection's peer did nothing wrong, and its next message has a callback, as ever.
      this.#owner.reportError(error, this);
    } else if (this.#end === undefined || !this.#isOwnEnd(error)) {
      this.#failWith(error);
    }
    // Otherwise the messages that came before the peer's end go on to be handled.
  }

  /** Closes for what the program, or this library, failed with. */
  #failWith(error: unknown): void {
    if (!this.#isOwnEnd(error)) this.#owner.reportError(error, this);
    this.startClosing(closeStatusOf(error) ?? { closeCode: CloseCode.InternalError, reason: "" });
  }
}

/** What a connection is closed with where a message sent as a stream can't be finished. */
function brokenStatus(
  { closeCode = CloseCode.InternalError, reason = "" }: SendStreamOptions,
): CloseStatus {
  return { closeCode, reason };
}

/** Whether it was a Close frame that ended the receiving. */
function isCloseStatus(end: End | undefined): end is CloseStatus {
  return end !== undefined && end !== "end-of-stream" && !(end instanceof ProtocolError);
}

/** How a connection ends that sees no Close frame (RFC 6455, section 7.1.5). */
function abnormalClosure(initiator: CloseInfo["initiator"], reason: string): CloseInfo {
  return { closeCode: CloseCode.AbnormalClosure, reason, wasClean: false, initiator };
}

function sizeOf(data: Message): number {
  return typeof data === "string" ? textSize(data) : data.length;
}
