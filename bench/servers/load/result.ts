/**
 * What passes between the benchmark and its load generator, as JSON.
 *
 * @module
 */

import type { Workload } from "../workloads.ts";

/** What the load generator is to do. */
export interface LoadTask {
  workload: Workload;
  port: number;
  /** The process of the server. */
  pid: number;
  /** Whether the server sends bytes back as they are, and knows nothing of WebSockets. */
  raw: boolean;
  /** What clients offer in `Sec-WebSocket-Extensions`; empty for nothing. */
  offer: string;
  /** How long the server works before it is measured. */
  warmUpMs: number;
  measureMs: number;
}

/** What was measured. */
export interface LoadResult {
  /**
   * CPU time of the server in microseconds: for a message echoed, a message delivered, a handshake, a
   * MiB. Where it is about memory, the resident bytes of a connection. Where the system does not tell the CPU time,
   * it is the time that passed.
   */
  cost: number;
  /** Whether the CPU time of the server is known. */
  isCpuTime: boolean;
  /** How many a second. */
  rate: number;
  /** What the replies' payloads take on the wire, as a fraction of the messages; 1 if not compressed. */
  wireRatio: number;
  /** Latency in microseconds; 0 where there is none. */
  p50Us: number;
  p99Us: number;
  /** The most memory the server had resident, in bytes; 0 where the system doesn't tell. */
  peakMemory: number;
  /** How much of its core the server used: 0 to 1. */
  serverLoad: number;
  /** How much of its core the generator used: 0 to 1. */
  generatorLoad: number;
  /** For how much of the time one of the two had to wait for its core. */
  waiting: number;
}

/** What the load generator prints last. */
export type LoadReport = { result: LoadResult } | { refusal: string } | { error: string };

/** Tells whether other processes took so much of the cores that the numbers mean little. */
export function isDisturbed({ waiting }: LoadResult): boolean {
  return waiting > 0.25;
}

/** Tells whether the generator was what took the time, and not the server. */
export function isGeneratorBound({ generatorLoad, serverLoad }: LoadResult): boolean {
  return generatorLoad > 0.95 && serverLoad < 0.9;
}
