/**
 * What the processes of a soak tell each other: a line of JSON each.
 *
 * @module
 */

/** Where the server listens: a port for each way to write a program. */
export interface Ports {
  /** Callbacks: `/` echoes, `/slow` takes its time, `/publish` sends to all of `/subscribe`. */
  callbacks: number;
  /** A handler: `/` iterates, `/streams` pipes, `/messages` takes and sends messages as streams. */
  handler: number;
}

/** What the server is asked for. */
export interface ServerSample {
  /** The bytes that JavaScript uses, after garbage was collected. */
  usedMemory: number;
  /** The timers that are set. */
  timers: number;
  connections: number;
  handshakes: number;
}

/** What the hostile clients have come to. */
export interface HostileReport {
  /** How often each attack was made, to its end. */
  counts: Record<string, number>;
  /** The attacks that are being made. */
  running: string[];
  /** What came out otherwise than documented since the last report. */
  failures: string[];
}
