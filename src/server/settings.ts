import { isPlainObject } from "../basic_values.ts";
import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import { type ConnectionSettings, defaultConnectionSettings } from "../connection/settings.ts";
import type { CompressionSettings } from "../extensions/compression_options.ts";
import type { OriginCheck, OriginPolicy } from "../handshake/origin_policy.ts";
import { logError, type OnError } from "../hooks.ts";
import { type RequestHeadLimits, resolveHeadLimits } from "../http1/head_limits.ts";
import type { Broker } from "../topics/cluster/broker.ts";
import type { PresenceSettings } from "../topics/presence/options.ts";
import type { ResumeSettings } from "../topics/retention/memory_store.ts";
import type { ListenTarget, TlsCertificate } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import type { ConnectionLimits } from "./connection_limits.ts";
import type { MemoryBudgetOptions } from "./memory_budget.ts";
import type { AcceptOptions, Handler, ServeOptions } from "./options.ts";
import type { ServerCallbacks, ServerConnection } from "./server_connection.ts";
import type { ServerEvent } from "./stats.ts";

/** Options of the opening handshake, checked and complete. */
export interface AcceptSettings<Data, Conn extends Connection<Data> = Connection<Data>> {
  readonly upgrade: AcceptOptions<Data>["upgrade"];
  readonly fetch: AcceptOptions<Data>["fetch"];
  readonly origin: OriginPolicy | OriginCheck;
  readonly compression: CompressionSettings | undefined;
  readonly handshakeTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly headLimits: RequestHeadLimits;
  readonly maxRequestBodySize: number;
  readonly onError: OnError<Conn>;
  readonly callbacks: ConnectionCallbacks<Data, Conn> | undefined;
  readonly connection: ConnectionSettings;
}

/** The options and the handler of a server, whether it listens or is mounted, checked and complete. */
export interface ServerSettings<Data> {
  readonly accept: AcceptSettings<Data, ServerConnection<Data>>;
  readonly handler: Handler<Data> | undefined;
  readonly connectionLimits: ConnectionLimits | undefined;
  readonly maxHandshakes: number;
  readonly memoryBudget: MemoryBudgetOptions | undefined;
  /** The most bytes that a message, or the body of a request, may take. */
  readonly largestPiece: number;
  readonly onEvent: ((event: ServerEvent<Data>) => unknown) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly broker: Broker | undefined;
  readonly brokerQueueSize: number;
  readonly resume: ResumeSettings | undefined;
  readonly presence: PresenceSettings;
}

export interface ServeSettings<Data> {
  readonly settings: ServerSettings<Data>;
  readonly target: ListenTarget;
  readonly tls: TlsCertificate | undefined;
}

export function defaultAcceptSettings<Data, Conn extends Connection<Data>>(
  clock?: Clock,
): AcceptSettings<Data, Conn> {
  return {
    upgrade: undefined,
    fetch: undefined,
    origin: "same",
    compression: undefined,
    handshakeTimeoutMs: 10_000,
    responseTimeoutMs: 60_000,
    headLimits: resolveHeadLimits("RequestHeadParser", {}),
    maxRequestBodySize: 1024 * 1024,
    onError: logError,
    callbacks: undefined,
    connection: defaultConnectionSettings(clock),
  };
}

export function defaultServerSettings<Data>(clock?: Clock): ServerSettings<Data> {
  const accept = defaultAcceptSettings<Data, ServerConnection<Data>>(clock);
  return {
    accept,
    handler: undefined,
    connectionLimits: undefined,
    maxHandshakes: 10_000,
    // What all connections keep must not be what makes memory short: that begins at half of it.
    memoryBudget: { size: 16 * 1024 * 1024, sizePerConnection: 32 * 1024 },
    largestPiece: accept.connection.limits.maxMessageSize,
    onEvent: undefined,
    signal: undefined,
    broker: undefined,
    brokerQueueSize: 16 * 1024 * 1024,
    resume: undefined,
    presence: { ttlMs: 30_000, notice: undefined },
  };
}

/**
 * Gives the settings of a server that has nothing but a handler or callbacks, and a port and host name to listen
 * on; `undefined` for all others, and for what might be wrong: what checks options is loaded for those only.
 */
export function plainSettings<Data>(
  options: ServeOptions<Data> & ServerCallbacks<Data>,
  handler: Handler<Data> | undefined,
  defaults: ServerSettings<Data>,
): ServeSettings<Data> | undefined {
  if (!isPlainObject(options)) return undefined;
  const { port = 8080, hostname = "0.0.0.0", ...callbacks } = options;
  const names = Object.keys(callbacks);
  const isPlain = Number.isInteger(port) && port >= 0 && port <= 65535 &&
    typeof hostname === "string" && hostname !== "" &&
    names.every((name) => CALLBACKS.has(name)) &&
    Object.values(callbacks).every((callback) => typeof callback === "function") &&
    (names.length > 0 ? handler === undefined : typeof handler === "function");
  if (!isPlain) return undefined;
  const { accept } = defaults;
  return {
    settings: {
      ...defaults,
      accept: { ...accept, callbacks: names.length > 0 ? options : undefined },
      handler,
    },
    target: { hostname, port },
    tls: undefined,
  };
}

const CALLBACKS: ReadonlySet<string> = new Set(["open", "message", "ping", "drain", "close"]);
