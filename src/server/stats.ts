import type { Address } from "../transport/byte_channel.ts";
import type { TopicsStats } from "../topics/topics.ts";
import type { ServerConnection } from "./server_connection.ts";
import type { BrokerEvent, BrokerStats } from "../topics/cluster/broker.ts";
import type { CloseInfo, Connection, ConnectionStats } from "../connection/connection.ts";

/** What a server has done so far, and how it stands. */
export interface ServerStats {
  /** The open connections. */
  connections: number;
  /** The opening handshakes in progress, plain HTTP requests and TLS handshakes included. */
  handshakes: number;
  /** The connections that there have been, the open ones included. */
  accepted: number;
  /** The requests that were refused, by the status they were answered with. */
  refused: Record<number, number>;
  /**
   * The TCP connections that were dropped without an answer, or before all of it was taken: because there
   * were more than `maxHandshakes`, because memory was short, or because the client did not read.
   */
  dropped: number;
  /** The connections that have ended, by their close code; 1006 without a Close frame. */
  closed: Record<number, number>;
  /** The bytes that arrived on all connections, the ended ones included. */
  bytesReceived: number;
  /** The bytes that were sent on all connections. */
  bytesSent: number;
  /** The messages that arrived on all connections. */
  messagesReceived: number;
  /** The messages that were sent on all connections. */
  messagesSent: number;
  /** The topics that have subscribers. */
  topics: number;
  /** The subscriptions that connections have, in all. */
  subscriptions: number;
  /**
   * The messages of topics that subscribers did not get because they read too slowly: for each of them, by
   * its {@linkcode SubscribeOptions.lag}. See {@linkcode Subscription.dropped} for one subscription.
   */
  messagesDropped: number;
  /**
   * The bytes that connections and handshakes hold at the moment: what `memoryBudget` limits. A message of a
   * topic that several connections have not read counts once.
   */
  heldSize: number;
  /**
   * What the messages cost that are kept here for clients that come back, and the frames of the latest of
   * them, in bytes, if any are kept.
   */
  keptSize?: number | undefined;
  /** What passed through the broker, if there is one. */
  broker?: BrokerStats | undefined;
}

/** Something that happened on a server: once or twice in the life of a connection, or of a broker. */
export type ServerEvent<Data = unknown> =
  | BrokerEvent
  | {
    /** A connection was opened. */
    type: "open";
    /** The connection. */
    conn: ServerConnection<Data>;
  }
  | {
    /** A connection has ended. */
    type: "close";
    /** The connection. */
    conn: ServerConnection<Data>;
    /** How it ended. */
    info: CloseInfo;
  }
  | {
    /** A request was refused. */
    type: "refuse";
    /** The status it was answered with. */
    status: number;
    /** Why, as the client was told. */
    reason: string;
    /** The client. */
    remoteAddress: Address;
  }
  | {
    /**
     * A TCP connection was dropped. There were `maxHandshakes` in progress, and it made room for a
     * newcomer, or is one that none made room for. Or memory was short, and it had not sent all of its
     * request head, or did not read its response. Or it took nothing of its response for
     * `responseTimeoutMs`, or for 10 seconds after it had ended its side.
     */
    type: "drop";
    /** The client. */
    remoteAddress: Address;
  };

/** Counts what happens on a server. */
export class ServerCounters {
  #accepted = 0;
  #dropped = 0;
  readonly #refused: Record<number, number> = {};
  readonly #closed: Record<number, number> = {};
  /** The sums of the connections that have ended. */
  readonly #ended = { bytesReceived: 0, bytesSent: 0, messagesReceived: 0, messagesSent: 0 };

  /** Counts a connection. */
  countOpen(): void {
    this.#accepted++;
  }

  /** Counts the end of a connection. */
  countClose(conn: Connection, { closeCode }: CloseInfo): void {
    this.#closed[closeCode] = (this.#closed[closeCode] ?? 0) + 1;
    add(this.#ended, conn);
  }

  /** Counts a request that was refused. */
  countRefusal(status: number): void {
    this.#refused[status] = (this.#refused[status] ?? 0) + 1;
  }

  /** Counts a TCP connection that was dropped. */
  countDrop(): void {
    this.#dropped++;
  }

  /** Sums up. */
  stats(
    connections: ReadonlySet<Connection>,
    handshakes: readonly { readonly heldSize: number }[],
    handshakeCount: number,
    topics: TopicsStats | undefined,
  ): ServerStats {
    const sums = { ...this.#ended, heldSize: topics?.sharedSize ?? 0 };
    for (const conn of connections) sums.heldSize += add(sums, conn).heldSize;
    for (const { heldSize } of handshakes) sums.heldSize += heldSize;
    return {
      connections: connections.size,
      handshakes: handshakeCount,
      accepted: this.#accepted,
      refused: { ...this.#refused },
      dropped: this.#dropped,
      closed: { ...this.#closed },
      topics: topics?.topics ?? 0,
      subscriptions: topics?.subscriptions ?? 0,
      messagesDropped: topics?.messagesDropped ?? 0,
      ...sums,
      ...topics?.keptSize !== undefined && { keptSize: topics.keptSize },
      ...topics?.broker && { broker: topics.broker },
    };
  }
}

/** Adds what a connection has done, and gives its figures. */
function add(
  sums: {
    bytesReceived: number;
    bytesSent: number;
    messagesReceived: number;
    messagesSent: number;
  },
  conn: Connection,
): ConnectionStats {
  const stats = conn.stats();
  sums.bytesReceived += stats.bytesReceived;
  sums.bytesSent += stats.bytesSent;
  sums.messagesReceived += stats.messagesReceived;
  sums.messagesSent += stats.messagesSent;
  return stats;
}
