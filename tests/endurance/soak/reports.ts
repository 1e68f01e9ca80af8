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

/** Durations in milliseconds. */
export interface Latency {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

/** Something that an honest client waited for. */
export interface Wait {
  what: string;
  ms: number;
}

/** What the honest clients have come to. */
export interface HonestReport {
  /** All so far, by what was done. */
  total: Record<string, Latency>;
  /** Echoes since the last report. */
  recent: Latency;
  /** The longest wait for anything but large messages since the last report. */
  longest: Wait;
  /** How many clients with a large message were turned away so far, as memory was short. */
  turnedAway: number;
  /** What went wrong since the last report. */
  failures: string[];
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
