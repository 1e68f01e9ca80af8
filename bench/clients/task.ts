/**
 * What passes between the benchmark and a client that is measured, as JSON.
 *
 * @module
 */

/** A load: messages that come back, or connections that are opened and closed. */
export interface Load {
  /** Its name, also on the command line. */
  id: string;
  /** What it is, for people. */
  title: string;
  kind: "echo" | "connect";
  /** How many connections there are; of `connect`, how many are opened at a time. */
  connections: number;
  /** How many messages each connection has on the way. */
  inFlight: number;
  /** The length of a message, in bytes. */
  size: number;
  payload: "binary" | "ascii";
}

/** What a client is to do. */
export interface ClientTask {
  client: "sluice" | "ws" | "native";
  load: Load;
  /** Where the echo server listens. */
  port: number;
  /** How much CPU time the client works before it is measured, and how long it is measured. */
  warmUpMs: number;
  measureMs: number;
}

/** What was measured. */
export interface ClientResult {
  /** CPU time of the client in microseconds, for a message there and back, or a connection. */
  cost: number;
  /** How many a second. */
  rate: number;
  /** For how much of the time the client had to wait for its core: 0 to 1. */
  waiting: number;
}

/** What a client prints last. */
export type ClientReport = { result: ClientResult } | { error: string };
