/**
 * What passes between the benchmark and its load generator, as JSON.
 *
 * @module
 */

/** What clients and servers say to each other: messages as they are, or as packets of Socket.IO. */
export type Dialect = "plain" | "socket.io";

/** What is done. */
export interface Shape {
  /** Its name on the command line. */
  id: string;
  /** How many are connected to the second server, and get each message. */
  subscribers: number;
  /** How many messages are on the way at a time. */
  inFlight: number;
}

/** What the load generator is to do. */
export interface BrokerTask extends Shape {
  dialect: Dialect;
  /** The ports of the server that is sent to, and of the one that subscribers are connected to. */
  ports: [publisher: number, subscribers: number];
  /** The processes of both. */
  servers: [number, number];
  /** The process of the broker. */
  broker: number;
  /** The length of a message, in bytes. */
  size: number;
  warmUpMs: number;
  measureMs: number;
}

/** What was measured. */
export interface BrokerResult {
  /** Messages a second. */
  rate: number;
  /** From when a message is sent until the last subscriber has it, in microseconds. */
  p50Us: number;
  p99Us: number;
  /** CPU time of both servers a message, in microseconds; 0 where the system doesn't tell. */
  serverUs: number;
  /** CPU time of the broker a message, in microseconds. */
  brokerUs: number;
  /** How much of its core the generator used: 0 to 1. */
  generatorLoad: number;
  /** For how much of the time one of the processes had to wait for its core, on average: 0 to 1. */
  waiting: number;
}

/** What the load generator prints. */
export type BrokerReport = { result: BrokerResult } | { error: string };
