/**
 * The seam between one connection and what sends to many of them: messages that are encoded once, and the
 * backpressure of each connection.
 *
 * @module
 */

import type { CloseStatus } from "../protocol/close_payload.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Sendable } from "./connection.ts";

/** The frames of messages that many connections send: the same bytes, which must not be changed. */
export interface SharedFrames {
  readonly chunks: readonly Uint8Array[];
  /** The number of bytes. */
  readonly length: number;
  /** Counts one more send queue that needs the bytes. */
  hold(): void;
  /** Counts one less. */
  release(): void;
}

/** A connection as fan-out sees it. */
export interface FanOutSink {
  readonly remoteAddress: Address;
  /** Whether messages are accepted. */
  readonly isOpen: boolean;
  /** Whether nothing is sent any more, not even what was accepted before. */
  readonly isFinished: boolean;
  /** How many bytes may be sent before the peer counts as slow; less than 0 if it does. */
  readonly room: number;
  /** Whether so many bytes more are within `limits.sendQueueSize`. */
  hasRoomForLength(length: number): boolean;
  /**
   * Sends frames.
   *
   * @param isLast Whether nothing else is expected for this connection in this turn.
   */
  sendShared(frames: SharedFrames, isLast: boolean): void;
  /** Sends a message that only this connection gets, and that nobody changes or waits for. */
  post(data: Sendable, compress?: boolean): void;
  /**
   * Does the same with a message that the connection's message layer encodes as those of its program.
   *
   * @returns Whether it was sent: if encoding failed, the connection is closed.
   */
  postEncoded(data: Sendable, compress?: boolean): boolean;
  /** Closes the connection with a status, and drops what waits. */
  closeAtOnce(status: CloseStatus): void;
  /**
   * Throws unless the connection is still there.
   *
   * @throws {ConnectionClosedError} If it has ended.
   */
  throwIfClosed(): void;
  /** Has the connection tell `source` what happens to it from now on. */
  attach(source: FanOutSource): void;
}

/** What sends through a connection besides its program. */
export interface FanOutSource {
  /** Sends everything accepted by now, so that what the program sends next comes behind it. */
  flush(): void;
  /** Goes on sending: there is room again. */
  drain(): void;
  /** Ends, as the connection has. */
  close(): void;
  /** Whether messages that were accepted wait for room: a Close frame must not overtake them. */
  readonly hasWaiting: boolean;
  /** The bytes that are held for this connection, together with others and alone. */
  readonly heldSize: number;
  /** The number of messages sent. */
  readonly messagesSent: number;
}
