import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkNames,
  checkOneOf,
  type Names,
  type Optional,
} from "../checks.ts";
import type { MessageLimits } from "../protocol/message_receiver.ts";
import type { Clock } from "../transport/clock.ts";
import type { Connection, ConnectionCallbacks } from "./connection.ts";
import { type LayerDefinition, resolveLayers } from "./layer_definition.ts";
import {
  type ConnectionSettings,
  DEFAULT_KEEP_ALIVE,
  DEFAULT_LIMITS,
  defaultConnectionSettings,
} from "./settings.ts";

/** What happens to a message that does not fit the send queue. */
export type SendQueueOverflow =
  /** The connection is closed with 1013 (try again later): the peer reads too slowly. */
  | "close"
  /** The message is dropped. `send` resolves all the same; `trySend` tells. */
  | "drop"
  /** The message is queued all the same: only for programs that await every `send`. */
  | "wait";

/** The limits of a connection. Sizes are bytes; `Infinity` stands for no limit. */
export interface Limits extends MessageLimits {
  /**
   * The most messages that wait to be received: 1 or more. Past it the socket is not read.
   *
   * @default {16}
   */
  receiveQueueMessages: number;
  /**
   * The most bytes that wait to be received: 1 or more; the last message may exceed it. Past it the
   * socket is not read.
   *
   * @default {1048576}
   */
  receiveQueueSize: number;
  /**
   * The bytes waiting to be sent above which `send` waits: 0 or more.
   *
   * @default {65536}
   */
  sendHighWaterMark: number;
  /**
   * The most bytes that wait to be sent: 0 or more; past that, `sendQueueOverflow` decides. One message
   * always fits a queue that is not above `sendHighWaterMark`: who awaits `send` is never refused.
   *
   * @default {1048576}
   */
  sendQueueSize: number;
  /**
   * What happens to a message that does not fit the send queue.
   *
   * @default {"close"}
   */
  sendQueueOverflow: SendQueueOverflow;
}

/**
 * How much a peer may send in a second. It may send as much at once after it was silent for a second.
 * `Infinity` stands for no limit.
 */
export interface RateLimits {
  /**
   * The bytes a second, as they arrive, headers included: 1 or more.
   *
   * @default {Infinity}
   */
  bytesPerSecond: number;
  /**
   * The bytes a second that compressed messages inflate to: 1 or more.
   *
   * @default {Infinity}
   */
  inflatedBytesPerSecond: number;
  /**
   * The messages a second: 1 or more. Fragments are limited by `bytesPerSecond`, their headers included.
   *
   * @default {Infinity}
   */
  messagesPerSecond: number;
  /**
   * The Pings and Pongs a second: 1 or more.
   *
   * @default {Infinity}
   */
  controlFramesPerSecond: number;
  /**
   * What happens past a rate: `"pause"` does not read the next message or control frame before the rate
   * allows one, which slows the peer's TCP; of bytes, what one read brings may be too many, and is waited for
   * afterwards. `"close"` fails the connection with 1008 (policy violation), after which `reconnecting`
   * does not come back: a client that sends too much would do so again.
   *
   * @default {"pause"}
   */
  onExceeded: "pause" | "close";
}

/** How the server finds out that a silent peer is gone. */
export interface KeepAlive {
  /**
   * How often a Ping is sent, in milliseconds: an integer from 1 to 2,147,483,647, or `Infinity`
   * for never.
   *
   * @default {20000}
   */
  intervalMs: number;
  /**
   * How long after a Ping any byte of the peer is waited for, in milliseconds: an integer from 1 to
   * 2,147,483,647, or `Infinity`. Past it the connection is dropped, and ends with 1006. Time in which this
   * side does not read does not count; and a peer has all of its time once more when this process has
   * stalled, but at most three times in a row.
   *
   * @default {20000}
   */
  timeoutMs: number;
}

/** Options of a connection. */
export interface ConnectionOptions {
  /** The limits. Default: see each. */
  limits?: Optional<Limits> | undefined;
  /** How much the peer may send in a second. Default: anything. */
  rateLimits?: Optional<RateLimits> | undefined;
  /**
   * How a silent peer is found out, or `false` for not at all.
   *
   * @default {{ intervalMs: 20000, timeoutMs: 20000 }}
   */
  keepAlive?: Optional<KeepAlive> | false | undefined;
  /**
   * How long it may take to close, in milliseconds: an integer from 1 to 2,147,483,647, or `Infinity`.
   * From `close()` on, what was accepted before is sent, and Close frames are exchanged; it is not
   * extended by traffic, and past it the connection is dropped. If the peer closes, the time is
   * first for the messages that are still to be handled and sent: past it what is left is given up, the
   * Close frame is answered, and the peer has the same time again to end TCP.
   *
   * @default {5000}
   */
  closeTimeoutMs?: number | undefined;
  /**
   * What encodes and decodes messages, of which a connection has the one whose subprotocol was agreed upon:
   * see `@sluice/websocket/layer`. A client offers their subprotocols behind its own. A server selects the
   * first that the client offers, unless its `upgrade` hook names another subprotocol.
   *
   * @default {[]}
   */
  layers?: readonly LayerDefinition[] | undefined;
}

/** The limits that must not be 0. */
const AT_LEAST_1 = new Set(["maxFragments", "receiveQueueMessages", "receiveQueueSize"]);

const DEFAULT_RATE_LIMITS: RateLimits = {
  bytesPerSecond: Infinity,
  inflatedBytesPerSecond: Infinity,
  messagesPerSecond: Infinity,
  controlFramesPerSecond: Infinity,
  onExceeded: "pause",
};

/** What every connection has for options: those of {@linkcode ConnectionOptions}, and the callbacks. */
export const CONNECTION_OPTIONS: Names<ConnectionOptions & ConnectionCallbacks<unknown>> = {
  limits: Object.keys(DEFAULT_LIMITS),
  rateLimits: Object.keys(DEFAULT_RATE_LIMITS),
  keepAlive: Object.keys(DEFAULT_KEEP_ALIVE),
  closeTimeoutMs: true,
  layers: true,
  open: true,
  message: true,
  ping: true,
  drain: true,
  close: true,
};

/**
 * Checks the options, and fills in the defaults.
 *
 * @throws {RangeError | TypeError} If a number is out of its range, or something else is wrong.
 */
export function resolveConnectionOptions(
  options: ConnectionOptions,
  clock?: Clock,
): ConnectionSettings {
  const defaults = defaultConnectionSettings(clock);
  const { limits: given = {}, rateLimits, keepAlive = {} } = options;
  const { closeTimeoutMs = defaults.closeTimeoutMs } = options;
  const limits = withDefaults("limits", given, DEFAULT_LIMITS);
  const { sendQueueOverflow, ...sizes } = limits;
  for (const [name, size] of Object.entries(sizes)) {
    checkInteger(`limits.${name}`, size, AT_LEAST_1.has(name) ? 1 : 0);
  }
  checkOneOf("limits.sendQueueOverflow", sendQueueOverflow, ["close", "drop", "wait"]);
  checkDuration("closeTimeoutMs", closeTimeoutMs);
  return {
    ...defaults,
    limits,
    rateLimits: rateLimits === undefined ? undefined : resolveRateLimits(rateLimits),
    keepAlive: resolveKeepAlive(keepAlive),
    closeTimeoutMs,
    layers: resolveLayers(options.layers),
  };
}

/** Gives the callbacks among options, if there are any; throws a `TypeError` if one is no function. */
export function resolveCallbacks<Data, Conn extends Connection<Data>>(
  options: ConnectionCallbacks<Data, Conn>,
): ConnectionCallbacks<Data, Conn> | undefined {
  const names = ["open", "message", "ping", "drain", "close"] as const;
  for (const name of names) checkFunction(name, options[name]);
  return names.some((name) => options[name] !== undefined) ? options : undefined;
}

function resolveRateLimits(given: Optional<RateLimits>): RateLimits {
  const rateLimits = withDefaults("rateLimits", given, DEFAULT_RATE_LIMITS);
  const { onExceeded, ...rates } = rateLimits;
  for (const [name, rate] of Object.entries(rates)) checkInteger(`rateLimits.${name}`, rate, 1);
  checkOneOf("rateLimits.onExceeded", onExceeded, ["pause", "close"]);
  return rateLimits;
}

function resolveKeepAlive(given: Optional<KeepAlive> | false): KeepAlive | undefined {
  if (given === false) return undefined;
  const keepAlive = withDefaults("keepAlive", given, DEFAULT_KEEP_ALIVE, "false");
  checkDuration("keepAlive.intervalMs", keepAlive.intervalMs);
  checkDuration("keepAlive.timeoutMs", keepAlive.timeoutMs);
  return keepAlive;
}

/**
 * Fills in the defaults of an option that is an object, or what `instead` says. Throws a `TypeError` for other names:
 * a limit that is spelled wrong would be no limit.
 */
export function withDefaults<T extends object>(
  name: string,
  given: object,
  defaults: T,
  instead?: string,
): T {
  checkNames(name, given, defaults as Record<string, unknown>, name, instead);
  const result = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    if (value !== undefined) Object.assign(result, { [key]: value });
  }
  return result;
}
