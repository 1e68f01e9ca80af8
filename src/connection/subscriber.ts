import type { CloseStatus } from "../protocol/close_payload.ts";
import type { Sendable } from "./connection.ts";
import type { SharedFrames, SharedTally } from "./shared_memory.ts";

/** What happens to the messages of a topic that a subscriber is too slow for. */
export type LagPolicy =
  /** They are queued, and past `limits.sendQueueSize` the connection is closed. */
  | "close"
  /** As many as fit `queueSize` wait; past that, those that have waited longest are dropped. */
  | "drop-oldest"
  /** As many as fit `queueSize` wait; past that, those that come are dropped. */
  | "drop-newest"
  /** Only the last one of each key waits: a price, the position of a cursor. */
  | "latest";

/** Who a connection is in a topic: see {@linkcode SubscribeOptions.presence}. */
export interface PresenceEntry {
  /**
   * Who it is: at most 256 bytes of UTF-8. Connections with the same key, also of other servers, are one
   * member: it joins with the first of them, and leaves with the last.
   */
  key: string;
  /**
   * What others are to know, such as a name: anything that has a form in JSON, of at most 1,024 bytes. Of
   * several connections, the last one's is taken.
   *
   * @default {undefined}
   */
  info?: unknown;
}

/** Options of a subscription. */
export interface SubscribeOptions {
  /**
   * Whether the connection is in the topic for others to see: as who. `true`: it is not, but is told who
   * comes and goes, as those that are: see {@linkcode HostOptions.presence}. Whoever subscribes again changes
   * it; who unsubscribes, or ends, leaves. With a broker, such a topic has at most 1,008 bytes of UTF-8.
   *
   * @default {false}
   */
  presence?: boolean | PresenceEntry | undefined;
  /**
   * What happens to messages while the peer reads too slowly: while more than
   * `limits.sendHighWaterMark` bytes wait for it here. What the systems of both sides have taken, often some
   * MiB, does not count, and is sent in any case.
   *
   * @default {"close"}
   */
  lag?: LagPolicy | undefined;
  /**
   * The most bytes of messages that wait for a slow peer with `"drop-oldest"` and `"drop-newest"`: 0 or
   * more, or `Infinity`. They are the same bytes for all subscribers of a topic.
   *
   * @default {1048576}
   */
  queueSize?: number | undefined;
  /**
   * The status code that `"close"` closes with.
   *
   * @default {1013}
   */
  closeCode?: number | undefined;
}

/** A topic that a connection is subscribed to. */
export interface Subscription {
  /** The topic's name. */
  readonly topic: string;
  /**
   * The number of its messages that were dropped, as the peer was too slow for them: also when its options
   * changed, and when it ended by `unsubscribe`.
   */
  readonly dropped: number;
}

/** What is known of connections before this one. */
export interface ConnectionPast {
  /** Whether this one goes on from an earlier one. */
  readonly isReturning: boolean;
}

/** What topics ask of a client that may have had connections before. */
export interface SubscriberPast extends ConnectionPast {
  /** Whether it is known yet. */
  readonly isGreeted: boolean;
  /** Who the peer is, over several connections; `undefined` if nobody asked yet. */
  readonly session: string | undefined;
  /** Gives the session, which there is from now on. */
  openSession(): string;
  /** Gives how far the peer got in a topic before it connected, once. */
  takePosition(topic: string): { readonly epoch: string; readonly number: number } | undefined;
  /** Makes the message that tells the peer something. */
  encodeNote(note: object): string;
}

/** A connection, as topics see it. */
export interface Subscriber {
  /** Whether messages are accepted. */
  readonly isSendable: boolean;
  /** Whether nothing is sent any more, not even what was accepted before. */
  readonly isFinished: boolean;
  /** How many bytes may be sent before it counts as slow; less than 0 where it is. */
  readonly room: number;
  /** Whether something has to be sent to it before what is published: set by the topics. */
  isBehind: boolean;
  /**
   * The bytes that topics hold for it: what waits, which others may wait for too, and what is known of members.
   * Set by the topics, which count them.
   */
  topicsSize: number;
  /** Counts what it holds together with others. */
  readonly tally: SharedTally;
  /** Stands for all who have the peer's address. */
  readonly address: string;
  /**
   * The window that its messages are compressed with, without those before them, so that many can get
   * the same: its exponent of 2; 0 where nothing is compressed, and `undefined` where messages have to
   * be compressed for this connection alone.
   */
  readonly sharedWindowBits: number | undefined;
  /** Whether so many bytes more are within `limits.sendQueueSize`. */
  hasRoomForLength(length: number): boolean;
  /**
   * Compresses a message for all with the same `sharedWindowBits`.
   *
   * @returns The payload of its frame; `undefined` where it is not to be compressed.
   */
  deflateShared(data: Sendable, compress: boolean | undefined): Uint8Array | undefined;
  /**
   * Sends frames.
   *
   * @param messages The number of messages they are.
   * @param isLast Whether they are the last of this turn, as far as it is known.
   */
  sendShared(frames: SharedFrames, messages: number, isLast: boolean): void;
  /** Sends a message as it is, which no other gets in the same form. */
  sendAlone(data: Sendable, compress: boolean | undefined): void;
  /** Whether the peer speaks `sluice.resume.v1`: messages may begin with a header, and there are notes. */
  readonly isResumable: boolean;
  /** Whether the peer has said who it is, and how far it got, where it is one that does. */
  readonly isGreeted: boolean;
  /** Who the peer is, over several connections where it is resumable; `undefined` where nobody asked yet. */
  readonly session: string | undefined;
  /** Gives the session, which there is from now on. */
  openSession(): string;
  /** Gives how far the peer got in a topic before it connected, once. */
  takePosition(topic: string): { readonly epoch: string; readonly number: number } | undefined;
  /** Tells a resumable peer something, in the order of all that is sent. */
  sendNote(note: object): void;
  /** Closes the connection of a peer that reads too slowly. */
  closeLagging(status: CloseStatus): void;
}

/** The topics of a server, as its connections see them. */
export interface SubscriberTopics {
  /** Counts what subscribers hold together. */
  readonly tally: SharedTally;
  /** Sends what was published: before anything else is, so that the order is kept. */
  flush(): void;
  /** See `Connection.subscribe`. */
  subscribe(subscriber: Subscriber, topic: string, options: SubscribeOptions): Subscription;
  /** See `Connection.unsubscribe`. */
  unsubscribe(subscriber: Subscriber, topic: string): boolean;
  /** Goes on with a connection whose peer has said how far it got. */
  greet(subscriber: Subscriber): void;
  /** The topics of a connection. */
  topicsOf(subscriber: Subscriber): ReadonlySet<string>;
  /** Whether messages wait for a connection that is too slow. */
  hasWaiting(subscriber: Subscriber): boolean;
  /** Goes on sending to a connection that was too slow. */
  continueSending(subscriber: Subscriber): void;
  /** Forgets a connection. */
  leave(subscriber: Subscriber): void;
}
