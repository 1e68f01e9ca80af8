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
