import type { Connection, ConnectionStats } from "../connection/connection.ts";

export interface Traffic {
  bytesReceived: number;
  bytesSent: number;
  messagesReceived: number;
  messagesSent: number;
}

/** Counts what happens on a server: see `ServerStats`. */
export class ServerCounters {
  accepted = 0;
  dropped = 0;
  readonly refused: Record<number, number> = {};
  readonly closed: Record<number, number> = {};
  /** The sums of the connections that have ended. */
  readonly ended: Traffic = {
    bytesReceived: 0,
    bytesSent: 0,
    messagesReceived: 0,
    messagesSent: 0,
  };

  /** Adds what came and went on a connection, and gives its figures. */
  addTraffic(sums: Traffic, conn: Connection): ConnectionStats {
    const stats = conn.stats();
    sums.bytesReceived += stats.bytesReceived;
    sums.bytesSent += stats.bytesSent;
    sums.messagesReceived += stats.messagesReceived;
    sums.messagesSent += stats.messagesSent;
    return stats;
  }
}

export function countOne(counts: Record<number, number>, code: number): void {
  counts[code] = (counts[code] ?? 0) + 1;
}
