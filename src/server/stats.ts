import type { Countable } from "../linked_list.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { TopicsStats } from "../topics/topics.ts";
import type { ServerConnection } from "./server_connection.ts";
import type { BrokerEvent, BrokerStats } from "../topics/cluster/broker.ts";
import type { CloseInfo, Connection } from "../connection/connection.ts";
import type { ServerCounters } from "./server_counters.ts";

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
   * What the messages take that are retained here for clients that come back, and the frames of the latest of
   * them, in bytes, if any are retained.
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

export function sumUp(
  counters: ServerCounters,
  connections: Countable<Connection>,
  handshakes: readonly { readonly heldSize: number }[],
  handshakeCount: number,
  topics: TopicsStats,
): ServerStats {
  const { accepted, dropped, refused, closed, ended } = counters;
  const sums = { ...ended, heldSize: topics.sharedSize };
  for (const conn of connections) sums.heldSize += counters.addTraffic(sums, conn).heldSize;
  for (const { heldSize } of handshakes) sums.heldSize += heldSize;
  return {
    connections: connections.size,
    handshakes: handshakeCount,
    accepted,
    refused: { ...refused },
    dropped,
    closed: { ...closed },
    topics: topics.topics,
    subscriptions: topics.subscriptions,
    messagesDropped: topics.messagesDropped,
    ...sums,
    ...topics.keptSize !== undefined && { keptSize: topics.keptSize },
    ...topics.broker && { broker: topics.broker },
  };
}
