/** What happens to messages of a topic that a subscriber is too slow for. */
export type LagPolicy =
  /** They are queued, and past `limits.sendQueueSize` the connection is closed. */
  | "close"
  /** Messages wait, up to `queueSize`; past that, the oldest are dropped. */
  | "drop-oldest"
  /** Messages wait, up to `queueSize`; past that, new ones are dropped. */
  | "drop-newest"
  /** Only the last message of each key waits, such as a price or the position of a cursor. */
  | "latest";

/** The member of a topic that a connection belongs to: see {@linkcode SubscribeOptions.presence}. */
export interface PresenceEntry {
  /**
   * Identifies the member: at most 256 bytes of UTF-8. Connections with the same key, also to other servers, are
   * one member, which joins with the first of them and leaves with the last.
   */
  key: string;
  /**
   * Information for others, such as a name: a value that JSON can encode, in at most 1,024 bytes. Of several
   * connections, that of the last one counts.
   *
   * @default {undefined}
   */
  info?: unknown;
}

/** Options of a subscription. */
export interface SubscribeOptions {
  /**
   * The member of the topic that the connection belongs to, for others to see. `true`: it is no member, but gets
   * notices about members, as members do: see {@linkcode HostOptions.presence}. Another `subscribe` changes this;
   * `unsubscribe`, or the end of the connection, leaves. With a broker, such a topic has at most 1,008 bytes of UTF-8.
   *
   * @default {false}
   */
  presence?: boolean | PresenceEntry | undefined;
  /**
   * What happens to messages while the peer reads too slowly, which means that more than
   * `limits.sendHighWaterMark` bytes wait here. Bytes in the operating systems of both sides, often some MiB, do not
   * count, and are sent in any case.
   *
   * @default {"close"}
   */
  lag?: LagPolicy | undefined;
  /**
   * How many bytes of messages may wait for a slow peer with `"drop-oldest"` and `"drop-newest"`: 0 or more, or
   * `Infinity`. All subscribers of a topic share the memory of the messages.
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
   * The number of messages that were dropped, since the peer was too slow for them, the options changed, or
   * `unsubscribe` ended the subscription.
   */
  readonly dropped: number;
}
