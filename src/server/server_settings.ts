import type { Clock } from "../transport/clock.ts";
import { contextSize } from "../extensions/stream_sizes.ts";
import {
  checkFunction,
  checkInteger,
  checkMethods,
  checkNames,
  checkSignal,
  invalidType,
} from "../checks.ts";
import { reportError } from "../hooks.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import { type MemoryBudgetOptions, resolveMemoryBudget } from "./memory_budget.ts";
import {
  type AcceptSettings,
  type Handler,
  type HostOptions,
  largestPiece,
  resolveAcceptOptions,
} from "./options.ts";
import type { Broker } from "../topics/cluster/broker.ts";
import type { ResumeSettings } from "../topics/retention/memory_store.ts";
import { resolveResume } from "./resume_options.ts";
import { type PresenceSettings, resolvePresenceOptions } from "../topics/presence/options.ts";
import type { ServerCallbacks, ServerConnection } from "./server_connection.ts";
import type { ServerEvent } from "./stats.ts";

/** The options and the handler of a server, whether it listens or is mounted, checked and complete. */
export interface ServerSettings<Data> {
  readonly accept: AcceptSettings<Data, ServerConnection<Data>>;
  readonly handler: Handler<Data> | undefined;
  readonly connectionLimits: ConnectionLimits;
  readonly maxHandshakes: number;
  readonly memoryBudget: MemoryBudgetOptions | undefined;
  readonly onEvent: ((event: ServerEvent<Data>) => unknown) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly broker: Broker | undefined;
  readonly brokerQueueSize: number;
  readonly resume: ResumeSettings | undefined;
  readonly presence: PresenceSettings;
}

const BROKER_METHODS = ["start", "publish", "subscribe", "unsubscribe", "close"] as const;

const BROKER_HINT = " (as redisBroker() of @sluice/websocket/brokers/redis returns)";

/**
 * Checks the options and the handler, and fills in the defaults.
 *
 * @param name What they are for: `serve` or `mount`.
 * @param known Every option it has.
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is unknown, it or the handler is of another type, or there is not one
 * of handler and callbacks.
 */
export function resolveServerOptions<Data>(
  name: string,
  known: Readonly<Record<string, unknown>>,
  options: HostOptions<Data> & ServerCallbacks<Data>,
  handler: Handler<Data> | undefined,
  clock?: Clock,
): ServerSettings<Data> {
  checkNames(name, options, known, `the options of ${name}`);
  const accept = resolveAcceptOptions(options, clock);
  const { onEvent, signal, maxHandshakes = 10_000, broker, brokerQueueSize = 16 * 1024 * 1024 } =
    options;
  checkFunction("onEvent", onEvent);
  checkHandler(handler, accept.callbacks);
  checkSignal(signal);
  const connectionLimits = new ConnectionLimits(options);
  checkInteger("maxHandshakes", maxHandshakes, 0);
  if (broker !== undefined) checkMethods("broker", broker, BROKER_METHODS, BROKER_HINT);
  checkInteger("brokerQueueSize", brokerQueueSize, 0);
  return {
    accept,
    handler,
    connectionLimits,
    maxHandshakes,
    memoryBudget: resolveMemoryBudget(
      options.memoryBudget,
      largestPiece(accept),
      accept.compression?.contextTakeover ? contextSize(accept.compression) : 0,
    ),
    onEvent: onEvent?.bind(options),
    signal,
    broker,
    brokerQueueSize,
    resume: resolveResume(options.resume, broker, (error) => reportError(accept.onError, error)),
    presence: resolvePresenceOptions(options.presence),
  };
}

function checkHandler(handler: unknown, callbacks: object | undefined): void {
  if (handler !== undefined && typeof handler !== "function") {
    throw invalidType("handler", "a function", handler);
  }
  if (handler === undefined && callbacks === undefined) {
    throw new TypeError(
      "Cannot serve without a handler: give a function as the second argument, " +
        "or one of the callbacks open, message, ping, drain, close among the options",
    );
  }
  if (handler !== undefined && callbacks !== undefined) {
    throw new TypeError("Cannot serve with a handler and callbacks at once: give one or the other");
  }
}
