// What is disposed of is no part of "es2024", nor of "dom".
/// <reference lib="esnext.disposable" preserve="true" />

import type { Optional } from "../checks.ts";
import type { CallbackResult } from "../hooks.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { Address } from "../transport/byte_channel.ts";

/**
 * A message that was received whole: a string if its type is text, bytes if it is binary. The bytes
 * are the program's; they may be a part of a larger `ArrayBuffer`, so that a view of them takes their
 * `byteOffset` and `byteLength`.
 */
export type Message = string | Uint8Array<ArrayBuffer>;

/** What can be sent as a message: a string as text, bytes as binary. */
export type Sendable = string | Uint8Array;

/**
 * A stream that can be sent as a message: a `ReadableStream` of strings, which become UTF-8, or bytes, by
 * whichever of the types of that name. Runtimes and libraries have several.
 */
export interface SendableStream {
  /** Whether somebody reads it already. */
  readonly locked: boolean;
  /** Gives what reads it. */
  getReader(): {
    /** Gives the next chunk. */
    read(): Promise<{ done: false; value: Sendable } | { done: true; value?: unknown }>;
    /** Ends it early. */
    cancel(reason?: unknown): Promise<unknown>;
    /** Leaves it to others. */
    releaseLock(): void;
  };
}

/** How a connection ended. */
export interface CloseInfo extends CloseStatus {
  /**
   * The status code of the Close frame that came first, be it sent or received: 1005 if it
   * carried none, 1006 if there was no Close frame (RFC 6455, section 7.1.5).
   */
  closeCode: number;
  /** The reason that came with the code; may say why if the code is 1006. */
  reason: string;
  /**
   * Whether both sides sent a Close frame before TCP ended (section 7.1.4), and the system had taken every
   * message that this side had accepted, published ones too.
   */
  wasClean: boolean;
  /** The side that ended the connection. */
  initiator: "local" | "remote";
}

/** What became of the message given to {@linkcode Connection.trySend}. */
export type TrySendResult =
  /** It is on its way, and the peer keeps up. */
  | "sent"
  /** It will be sent, and the send queue is above its high-water mark: better wait for `drain`. */
  | "queued"
  /** It was not taken: the send queue is full. */
  | "dropped"
  /** It was not taken: the connection is closing or closed. */
  | "closed";

/** Options of an operation that can be given up. */
export interface WaitOptions {
  /**
   * Gives up the wait: the promise rejects with the signal's reason. What was sent stays sent; if the
   * signal has aborted before the call, nothing is.
   */
  signal?: AbortSignal | undefined;
}

/** How a message is sent. */
export interface SendOptions extends WaitOptions {
  /**
   * Whether to compress the message, if compression was agreed upon. Default: from
   * `compression.threshold` on, and streams always.
   */
  compress?: boolean | undefined;
}

/** How a message is sent as a stream. */
export interface SendStreamOptions extends SendOptions {
  /**
   * What the connection is closed with if the message has begun, and can't be finished: one of the codes
   * that {@linkcode Connection.close} takes. An error of the stream, or a reason of the signal, that has a code
   * of its own comes first.
   *
   * @default {1011}
   */
  closeCode?: number;
  /**
   * The reason sent with that code, at most 123 bytes of UTF-8.
   *
   * @default {""}
   */
  reason?: string;
}

/** A message whose body is a stream: of any size, in constant memory. */
export interface IncomingMessage {
  /** Whether the body is UTF-8 text or bytes (RFC 6455, section 5.6). */
  readonly type: MessageType;
  /**
   * The body. It errors with a `ProtocolError` if the rest of the message breaks the protocol or
   * a limit, and with a `ConnectionClosedError` if the connection ends before the message. A text
   * has been checked to be UTF-8; chunks are cut anywhere, also within a code point. With
   * `getReader({ mode: "byob" })` it is read into memory of the program's own.
   */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Reads the whole body as text.
   *
   * @throws {TypeError} If the message is binary and not UTF-8, or its body was read before, if only in
   * part, or is being read.
   */
  text(): Promise<string>;
  /**
   * Reads the whole body as bytes.
   *
   * @throws {TypeError} If its body was read before, if only in part, or is being read; not if it was empty.
   */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
}

/** What a connection has done so far, and how it stands. */
export interface ConnectionStats {
  /** The bytes that arrived behind the opening handshake, frame headers included. */
  bytesReceived: number;
  /** The bytes that the system has taken, the answer of the opening handshake included. */
  bytesSent: number;
  /** The messages that arrived, those still arriving as streams included. */
  messagesReceived: number;
  /** The messages that the program has sent, those still waiting in the send queue included. */
  messagesSent: number;
  /** The messages that wait for the program. */
  receiveQueueLength: number;
  /** The same as {@linkcode Connection.bufferedAmount}. */
  bufferedAmount: number;
  /**
   * The bytes held on the way to the program and to the peer: those reserved for a message that is
   * still arriving, those in the receive queue, and those that were sent and not taken yet. Messages
   * that other connections send too are no part of it: `server.stats()` counts them, once.
   */
  heldSize: number;
  /** The round-trip time of the last `ping()` that was answered, in milliseconds, if there is one. */
  roundTripTimeMs: number | undefined;
}

/**
 * One open WebSocket.
 *
 * Receive by **one** of: iteration (`for await (const message of conn)`), `readable`, `messages()`,
 * the `message` callback of the server, or the events of `asWebSocket()`. Whichever it is, the peer is
 * slowed when the program does not keep up: the next message is not read before there is room for it.
 *
 * There is one reader at a time, as of a stream: while an iteration has begun and is not left, or `readable`
 * is locked, another one throws a `TypeError`. One behind the other goes on where that one was left.
 *
 * An iteration ends when the connection does, however that was; {@linkcode Connection.closed} tells.
 * After {@linkcode Connection.close} was called nothing is received any more.
 *
 * @typeParam Data What the server's `upgrade` hook attached.
 */
export interface Connection<Data = unknown> extends AsyncDisposable {
  /** What the server's `upgrade` hook returned as `data`; otherwise `undefined`. Free to be replaced. */
  data: Data;
  /** The request that opened the connection, without a body. */
  readonly request: Request;
  /** The subprotocol agreed upon, or `""` (RFC 6455, section 1.9). */
  readonly protocol: string;
  /** The extensions agreed upon, as in `Sec-WebSocket-Extensions`, or `""` (section 9). */
  readonly extensions: string;
  /** The peer's address. Behind a proxy, it is the proxy's. */
  readonly remoteAddress: Address;
  /** The local address. */
  readonly localAddress: Address;
  /**
   * `"open"` at first, `"closing"` from the first sign of the end ({@linkcode Connection.close}, a Close
   * frame of the peer, an error, the end of the peer's bytes), `"closed"` when TCP is closed.
   * {@linkcode Connection.signal} says how far the peer's bytes are looked at.
   */
  readonly state: "open" | "closing" | "closed";
  /**
   * Aborts when {@linkcode Connection.state} leaves `"open"`, at the first sign of the end: for work whose
   * result only the peer wants. Its reason is a {@linkcode ConnectionClosedError} with the code and reason
   * of the end, or the {@linkcode ProtocolError} if the peer broke the protocol or passed a limit. The same
   * signal each time; it is created when it is asked for.
   *
   * It does not wait for the program: the peer's Close frame is seen while a handler or a callback is at
   * work, behind messages that wait for it, as far as there is room to read them. It is **not** seen if
   * reading is paused: behind `limits.receiveQueueMessages` or `limits.receiveQueueSize` that wait, the
   * unread body of a message received as a stream among them; past `rateLimits`; and while
   * `memoryBudget` is short.
   *
   * After a Close frame of the peer, or the end of its bytes, what answers the messages before it can still
   * be sent, up to `closeTimeoutMs`: an answer that is not worth finishing is ended by returning or throwing.
   * But with a code other than 1000 or a program's own (3000 to 4999), the peer has failed the connection,
   * turned it away, or is going away: a message that is being sent as a stream is broken off at once then. A
   * server that closes does not wait for a client that reads nothing: its Close frame is answered on the next
   * turn of the event loop, and what came before can still be received by iteration and streams.
   * What a handler or callback throws because of the signal (its reason, or an `AbortError`) is not
   * reported to `onError`.
   *
   * @example A long answer, which ends with the connection
   * ```ts
   * import { serve } from "@sluice/websocket";
   *
   * async function* think(question: string, signal: AbortSignal): AsyncGenerator<string> {
   *   for (const word of `You asked: ${question}`.split(" ")) {
   *     signal.throwIfAborted();
   *     yield word; // or of fetch(url, { signal }), say
   *   }
   * }
   *
   * const server = await serve({
   *   port: 0,
   *   async message(conn, question) {
   *     for await (const word of think(String(question), conn.signal)) await conn.send(word);
   *   },
   * });
   * await server.shutdown();
   * ```
   */
  readonly signal: AbortSignal;
  /** The bytes sent by the program that the system has not taken yet. */
  readonly bufferedAmount: number;
  /** Resolves when the connection has ended, with how. It never rejects. */
  readonly closed: Promise<CloseInfo>;
  /**
   * The messages as a stream, which pulls one at a time. It closes after the peer's Close frame, and
   * errors with a `ConnectionClosedError` if the connection ended without.
   *
   * Cancelling it closes the connection on the next turn of the event loop: with 1000, or, if there
   * is a reason, as from a pipe to what failed, with 1011. Until then the handler may fail, which is
   * 1011, or close with another code: a loop over the stream cancels it without a reason when it is
   * left, also by an error. A `WebSocketError` as the reason says what to close with, at once.
   *
   * A reader that is released while it waits takes no message: the next reader, or the next loop, gets it.
   * While it is locked, nothing else can receive. While an iteration has begun and is not left, to ask for
   * the stream throws, and a read of one that was asked for before errors it with a `TypeError`.
   *
   * @throws {TypeError} If an iteration has begun, and was not left.
   * @throws {DOMException} `InvalidStateError` if the messages go to callbacks, or `asWebSocket()`.
   */
  readonly readable: ReadableStream<Message>;
  /**
   * Sends what is written to it; a write is done when {@linkcode Connection.send} is. Closing it
   * closes the connection with 1000, aborting it with 1011, or what a `WebSocketError` as the
   * reason says. It errors with a `ConnectionClosedError` when this side closes the connection, or it
   * ends.
   *
   * Aborting and {@linkcode Connection.close} do not wait for a write that waits for the peer. The
   * `signal` of a pipe does, by the standard of streams (ReadableStreamPipeTo): if the peer may read
   * nothing, have it close the connection instead.
   */
  readonly writable: WritableStream<Sendable>;

  /**
   * Receives whole messages, one at a time. Leaving the loop does not close the connection: another loop goes
   * on with the next message. Who calls `next()` by hand calls `return()` before another one begins. Calls of
   * `next()` at the same time are answered in order.
   *
   * @throws {TypeError} If another iteration has begun and was not left, or `readable` is locked. If
   * that happens between this call and the first `next()`, it is `next()` that rejects.
   * @throws {DOMException} `InvalidStateError` if the messages go to callbacks, or `asWebSocket()`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined, void>;

  /**
   * Receives messages as streams: messages of any size, in constant memory, up to `maxMessageSize`.
   * The next message is not read before the body of this one was; what is not read of it when the
   * next one is asked for is dropped.
   *
   * @throws {TypeError} If another iteration has begun and was not left, or `readable` is locked.
   * @throws {DOMException} `InvalidStateError` if the messages go to callbacks, or `asWebSocket()`.
   */
  messages(): AsyncIterableIterator<IncomingMessage, undefined, void>;

  /**
   * Gives the connection as a standard `WebSocket` (WHATWG WebSockets, section 3), for libraries that
   * take one: the same object each time. Its events receive the messages from now on, and nothing
   * else can.
   *
   * It is open, and sends at once. `open` is fired on a later turn all the same, for those who wait
   * for it. Messages wait for the first `message` listener, and each is delivered on a turn of its own,
   * when everything that follows from the one before is done; promises that listeners return are not
   * awaited. Programs that want no messages set an empty `onmessage`: otherwise the first message keeps those
   * behind it waiting, and the peer's Close frame from being answered.
   *
   * It differs from the standard, or adds to it:
   *
   * - `close` takes every code that {@linkcode Connection.close} takes, since servers need others than
   *   browsers; without one, the Close frame carries none. It goes behind the Blobs sent before.
   * - `send` never waits: past the cap of the send queue, `sendQueueOverflow` decides, which closes
   *   the connection by default. If a library sends more at once than 1 MiB, raise `sendQueueSize`.
   *   `bufferedAmount` counts frame headers too.
   * - `error` is fired before `close` wherever the closing handshake was not finished. `close` has the
   *   code and reason of the peer's Close frame, 1006 if there was none; {@linkcode
   *   Connection.closed} has why.
   * - A listener that throws, or whose promise rejects, is like a callback that does: the error is
   *   reported to `onError`, and the connection closed with 1011, or what a `WebSocketError` says, but not
   *   for the end of another connection; see {@linkcode ConnectionCallbacks}.
   *
   * @example A server's handler, which ends the connection when it returns
   * ```ts
   * import { serve } from "@sluice/websocket";
   *
   * const server = await serve({ port: 0, hostname: "127.0.0.1" }, async (conn) => {
   *   const socket = conn.asWebSocket();
   *   socket.onmessage = ({ data }) => socket.send(data); // or a library that takes a WebSocket
   *   await conn.closed;
   * });
   * await server.shutdown();
   * ```
   *
   * @throws {DOMException} `InvalidStateError` if the messages go elsewhere: to callbacks, an
   * iteration or a stream.
   */
  asWebSocket(): WebSocket;

  /**
   * Sends a message: a string as text, bytes as binary.
   *
   * Returns a promise that resolves when the send queue is below its high-water mark (64 KiB by
   * default) and the bytes are free to be used again; at once, if the peer keeps up. Awaiting it,
   * or returning it from a `message` callback, is what carries backpressure. Messages go out in the
   * order of the calls, and what is sent in one turn goes out in one write.
   *
   * Past the cap of the send queue (1 MiB by default) the policy `sendQueueOverflow` decides. Callers that
   * await each `send` before the next never come to it: one message always fits a queue that is
   * not above the high-water mark.
   *
   * The promise rejects with a `ConnectionClosedError` if the connection is closing or ends while
   * it waits, and with the signal's reason. A rejection that nobody handles is no unhandled one.
   *
   * @param data The message. A lone surrogate becomes U+FFFD.
   * @throws {TypeError} If `data` is neither a string nor a `Uint8Array`, or an option is unknown or of
   * another type.
   */
  send(data: Sendable, options?: SendOptions): Promise<void>;

  /**
   * Sends a message if there is room for it, and tells what became of it: if there is none, nothing
   * happens, whatever `sendQueueOverflow` says. Bytes are taken by
   * reference if they are more than 16 KiB: they must not change before
   * {@linkcode Connection.bufferedAmount} is 0.
   *
   * @throws {TypeError} If `data` is neither a string nor a `Uint8Array`.
   */
  trySend(data: Sendable): TrySendResult;

  /**
   * Sends one message of any size, in constant memory: each chunk of the stream becomes a fragment
   * (RFC 6455, section 5.4), and the next one is read when the peer keeps up. Messages sent meanwhile
   * follow after it.
   *
   * Resolves when the last fragment has been sent. If the stream errors, is no UTF-8 in a text
   * message, or the signal aborts, the promise rejects with that, and, since a message can't be
   * taken back, the connection is closed if a fragment had been sent: with what the error or the signal's
   * reason says, if it is a {@linkcode WebSocketError} with a `closeCode` or an object such as
   * `{ closeCode: 4000, reason: "Stopped" }`; otherwise with the `closeCode` and `reason` among the options.
   * Given up for {@linkcode Connection.signal}, the code of the close under way stays, unless it is 1000.
   *
   * @param type Whether the message is text or binary.
   * @param stream The message. Strings become UTF-8. It is cancelled if sending ends early, and
   * unlocked in the end.
   * @throws {RangeError} If `closeCode` is none that may be sent.
   * @throws {TypeError} If `type` is neither, `stream` is locked or no stream, an option is unknown or
   * of another type, or `reason` is too long.
   */
  sendStream(
    type: MessageType,
    stream: ReadableStream<Sendable>,
    options?: SendStreamOptions,
  ): Promise<void>;
  /** Does the same with a stream of another type of that name. */
  sendStream(
    type: MessageType,
    stream: SendableStream,
    options?: SendStreamOptions,
  ): Promise<void>;

  /**
   * Sends a Ping, and resolves when its Pong arrives, with the round-trip time in milliseconds (RFC
   * 6455, section 5.5.2). Rejects with a `ConnectionClosedError` if the connection ends before; a
   * rejection that nobody handles is no unhandled one.
   *
   * @throws {TypeError} If an option is unknown or of another type.
   */
  ping(options?: WaitOptions): Promise<number>;

  /**
   * Closes the connection: sends a Close frame behind everything that was accepted before (messages,
   * streams that are still being sent, and published messages that wait for a slow peer), waits for the
   * peer's, and closes TCP; at the latest after `closeTimeoutMs`. From the call on, nothing more is
   * accepted, and messages that arrive are dropped. What could not be sent in that time rejects, and the
   * close is not clean then. Does nothing if it is closing already.
   *
   * @param status `closeCode`, by default 1000, and `reason`, by default `""`.
   * @returns The same promise as {@linkcode Connection.closed}.
   * @throws {RangeError} If the code is not 1000 to 1003, 1007 to 1014 or 3000 to 4999.
   * @throws {TypeError} If the reason is longer than 123 bytes of UTF-8, or `status` has other properties
   * or is not an object: code and reason are not two arguments, as they are of a standard `WebSocket`.
   */
  close(status?: Optional<CloseStatus>): Promise<CloseInfo>;

  /** Drops the connection at once, without a Close frame. */
  abort(): void;

  /** Tells what the connection has done so far, and how it stands: a copy, cheap to ask for. */
  stats(): ConnectionStats;
}

/**
 * Takes the events of connections: the fast path, without a promise or a stream on the way.
 *
 * A callback may return anything. If it is a promise, it is awaited before the next message, or Ping, is
 * given to one. Meanwhile messages wait, up to `limits.receiveQueueMessages` and `limits.receiveQueueSize`;
 * those that wait when the connection has ended are dropped.
 *
 * If it throws or rejects, the error is reported to `onError`, and the connection is closed: with the code
 * and reason of a `WebSocketError` that has them, otherwise with 1011. Two errors are no reason to close it:
 *
 * - that **this** connection ended, as what waited for it rejects with, and what is thrown because of
 *   {@linkcode Connection.signal}: not reported; the messages that came before a Close frame of the peer go
 *   on to be handled;
 * - that **another** connection ended, which the callback sent to, say: reported, since the rest of the
 *   callback was not done. (For `open` it is a reason: nobody would have checked or set up the connection.)
 *
 * @typeParam Data What the server's `upgrade` hook attached.
 * @typeParam Conn The type of connections.
 */
export interface ConnectionCallbacks<
  Data = unknown,
  Conn extends Connection<Data> = Connection<Data>,
> {
  /** The connection is open. */
  open?: ((conn: Conn) => CallbackResult) | undefined;
  /** A message arrived. If it is left out, messages are read and dropped. */
  message?: ((conn: Conn, data: Message) => CallbackResult) | undefined;
  /** A Ping arrived, and is answered whatever this does (RFC 6455, section 5.5.2). */
  ping?:
    | ((conn: Conn, payload: Uint8Array<ArrayBuffer>) => CallbackResult)
    | undefined;
  /** The send queue has fallen below its high-water mark, after it was above. */
  drain?: ((conn: Conn) => CallbackResult) | undefined;
  /** The connection has ended. Called once. */
  close?: ((conn: Conn, info: CloseInfo) => CallbackResult) | undefined;
}
