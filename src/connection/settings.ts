import { type Clock, systemClock } from "../transport/clock.ts";
import { Delays } from "../transport/delays.ts";
import type { LayerDefinition } from "./layer_definition.ts";
import type { KeepAlive, Limits, RateLimits } from "./options.ts";
import { systemTurns, Turns } from "./turns.ts";

/** Options of a connection, checked and complete. */
export interface ConnectionSettings {
  readonly limits: Limits;
  readonly rateLimits: RateLimits | undefined;
  readonly keepAlive: KeepAlive | undefined;
  readonly closeTimeoutMs: number;
  readonly layers: readonly LayerDefinition[];
  readonly clock: Clock;
  /** What all connections with these settings wait by. */
  readonly delays: Delays;
  /** What shares the event loop among them. */
  readonly turns: Turns;
}

export const DEFAULT_LIMITS: Limits = {
  maxMessageSize: 1024 * 1024,
  maxFragments: 1024,
  receiveQueueMessages: 16,
  receiveQueueSize: 1024 * 1024,
  sendHighWaterMark: 64 * 1024,
  sendQueueSize: 1024 * 1024,
  sendQueueOverflow: "close",
};

export const DEFAULT_KEEP_ALIVE: KeepAlive = { intervalMs: 20_000, timeoutMs: 20_000 };

export function defaultConnectionSettings(clock: Clock = systemClock): ConnectionSettings {
  return {
    limits: DEFAULT_LIMITS,
    rateLimits: undefined,
    keepAlive: DEFAULT_KEEP_ALIVE,
    closeTimeoutMs: 5_000,
    layers: [],
    clock,
    delays: new Delays(clock),
    turns: clock === systemClock ? systemTurns : new Turns(clock),
  };
}
