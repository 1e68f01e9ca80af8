/**
 * The part of `Bun.serve` that is used here, so that it type-checks without Bun's types.
 *
 * @module
 */

import { maxMessageSize } from "./arguments.ts";

/** A connection. */
export interface BunWebSocket {
  send(data: string | Uint8Array, compress?: boolean): number;
  subscribe(topic: string): void;
}

/** A server. */
export interface BunServer {
  port: number;
  upgrade(request: Request): boolean;
  publish(topic: string, data: string | Uint8Array): number;
}

/** The options of a server. */
export interface BunServeOptions {
  hostname: string;
  port: number;
  fetch(
    request: Request,
    server: BunServer,
  ): Response | undefined | Promise<Response | undefined>;
  websocket: {
    maxPayloadLength?: number;
    backpressureLimit?: number;
    perMessageDeflate?: { compress: string; decompress: string };
    open(socket: BunWebSocket): void;
    message(socket: BunWebSocket, data: string | Uint8Array): void;
  };
}

/** The global `Bun`. */
export const Bun: { serve(options: BunServeOptions): BunServer } =
  (globalThis as unknown as { Bun: { serve(options: BunServeOptions): BunServer } }).Bun;

/** The limits that the workload needs. */
export const limits: { maxPayloadLength?: number; backpressureLimit?: number } =
  maxMessageSize === undefined
    ? {}
    : { maxPayloadLength: maxMessageSize, backpressureLimit: maxMessageSize };
