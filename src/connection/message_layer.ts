import type { CloseStatus } from "../protocol/close_payload.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { Message, Sendable } from "./connection.ts";

/** A connection, as its {@linkcode MessageLayer} sees it. */
export interface LayerConnection {
  /**
   * Sends a message of the layer itself, as it is, in the order of all that is sent; in `encode` or
   * `encodeStart`, before what they encode. Does nothing once the connection is closing.
   */
  send(data: Sendable): void;
  /** Begins a message that the program receives as a stream: see {@linkcode MessageLayer.decodeStart}. */
  pushStart(type: MessageType): void;
  /** Adds `bytes` from `start` to `end` (exclusive) to it. They are copied. */
  pushChunk(bytes: Uint8Array, start: number, end: number): void;
  /** Ends it. */
  pushEnd(): void;
  /** Drops the messages that the program has not taken, and gives it no more. */
  dropReceived(): void;
  /** Closes the connection. */
  close(status: CloseStatus): void;
}

/**
 * Stands between the protocol and the program: encodes the messages that the program sends, and decodes
 * those that it receives. Both sides agree to it by a subprotocol (RFC 6455, section 1.9).
 *
 * Every method answers at once, and may throw: a promise is an error. A getter that throws is one, too. A `ProtocolError` says that the peer broke the rules of the
 * layer: the connection is closed with its code. Any other error is reported to `onError`, and the connection
 * closed with the code of a `WebSocketError` that has one, otherwise with 1011.
 */
export interface MessageLayer {
  /**
   * The largest message that may arrive, in bytes, before it is decoded: an integer from 0, or `Infinity`.
   * Read at the beginning, and again when `handshake` is done.
   *
   * @default `limits.maxMessageSize`
   */
  readonly maxMessageSize?: number | undefined;
  /**
   * Whether nothing more is to be received until the program has taken a message.
   *
   * @default {false}
   */
  readonly isFull?: boolean;
  /**
   * The memory that the layer holds, in bytes: for `memoryBudget` and `stats()`.
   *
   * @default {0}
   */
  readonly heldSize?: number;
  /** Begins: the opening handshake is done, and nothing was received yet. */
  start?(conn: LayerConnection): void;
  /**
   * Takes messages before the program begins: its handler, or `open`, waits until this returns `true`.
   * Without it the program begins at once. It has `handshakeTimeoutMs` of the server, or `connectTimeoutMs` of
   * the client, from the beginning of the connection: past it the connection is closed with 1013. Each message is spared the rate limits, up to `maxMessageSize`.
   */
  handshake?(data: Message): boolean;
  /** Is told that the program has begun: behind `open`, or the first synchronous part of its handler. */
  opened?(): void;
  /**
   * Gives what is sent for a message of the program. Without it, messages are sent as they are. It is called in
   * the order of the wire: for what waits behind a message that is sent as a stream, when that has ended. It
   * may therefore be called while the connection is closing. If it fails, what waits behind the message is
   * dropped.
   */
  encode?(data: Sendable): Sendable;
  /**
   * Gives what is sent before the body of a message that the program sends as a stream, when its first fragment
   * is sent: it is not called for a stream that is given up before. Without it, nothing is; but with `encode`,
   * `sendStream` rejects with a `TypeError`.
   */
  encodeStart?(type: MessageType): Sendable;
  /**
   * Gives the program's message for one that was received; `undefined` if there is none. Without it, messages
   * are received as they are.
   */
  decode?(data: Message): Message | undefined;
  /**
   * Takes the beginning of a message while the program receives streams (`conn.messages()`). The layer gives
   * the program what it makes of it by `pushStart`, `pushChunk` and `pushEnd` of the connection. Without it,
   * messages are collected, and decoded whole.
   */
  decodeStart?(type: MessageType): void;
  /** Takes more of that message: `bytes` from `start` to `end` (exclusive), in memory that is used again. */
  decodeChunk?(bytes: Uint8Array, start: number, end: number): void;
  /** Takes the end of that message. */
  decodeEnd?(): void;
  /** Is told that the program is given the next message, in the order in which they were decoded. */
  delivered?(): void;
  /** Called when the connection is closing, or has closed: nothing is encoded or decoded after it. */
  close?(): void;
}
