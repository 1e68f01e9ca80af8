/** The seam between one connection and what sends to many: messages encoded once, and each one's backpressure. */

import type { CloseStatus } from "../protocol/close_payload.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Sendable } from "./connection.ts";

/** The frames of messages that many connections send: the same bytes, which must not be changed. */
export interface SharedFrames {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;
  /** One more send queue needs the bytes, until it calls `release`. */
  hold(): void;
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
  /** Sends frames; `isLast`: nothing else is expected for this connection in this turn. */
  sendShared(frames: SharedFrames, isLast: boolean): void;
  /** Sends a message that only this connection gets, and that nobody changes or waits for. */
  post(data: Sendable, compress?: boolean): void;
  /** The same, encoded by the message layer as those of its program; `false` if that failed, and closed it. */
  postEncoded(data: Sendable, compress?: boolean): boolean;
  /** Closes the connection with a status, and drops what waits. */
  closeAtOnce(status: CloseStatus): void;
  /** @throws {ConnectionClosedError} If the connection has ended. */
  throwIfClosed(): void;
  /** Is told what happens to the connection. */
  source: FanOutSource | undefined;
}

/** What sends through a connection besides its program. */
export interface FanOutSource {
  /** Sends everything accepted by now, so that what the program sends next comes behind it. */
  sendPublished(): void;
  /** Goes on sending: there is room again. */
  drain(): void;
  close(): void;
  /** Whether messages that were accepted wait for room: a Close frame must not overtake them. */
  readonly hasWaiting: boolean;
  /** The bytes that are held for this connection, together with others and alone. */
  readonly heldSize: number;
  readonly messagesSent: number;
}
