/**
 * Checks of the options of servers. For a server without options they are not loaded: see `plainSettings`.
 *
 * @module
 */

// Loaded for every server, and so in the same chunk.
import "./rest.ts";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNames,
  checkOptions,
  checkPath,
  checkSignal,
  invalidType,
  type Names,
} from "../checks.ts";
import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import { resolveCallbacks, resolveConnectionOptions, withDefaults } from "../connection/options.ts";
import { resolveCompressionOptions } from "../extensions/compression_options.ts";
import { contextSize } from "../extensions/stream_sizes.ts";
import { validateOriginPolicy } from "../handshake/origin_policy.ts";
import { reportError } from "../hooks.ts";
import { resolveHeadLimits } from "../http1/head_limits.ts";
import { resolvePresenceOptions } from "../topics/presence/options.ts";
import type { ListenTarget, TlsCertificate } from "../transport/byte_channel.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import { BODY_COPIES } from "./http/request_body.ts";
import type { MemoryBudgetOptions } from "./memory_budget.ts";
import type { AcceptStreamOptions } from "./accept.ts";
import {
  ACCEPT_OPTIONS,
  type AcceptOptions,
  type Handler,
  type HostOptions,
  SERVE_OPTIONS,
  type ServeOptions,
  type UpgradeAcceptance,
} from "./options.ts";
import { resolveResume } from "./resume_options.ts";
import type { ServerCallbacks } from "./server_connection.ts";
import type { AcceptSettings, ServerSettings, ServeSettings } from "./settings.ts";

/** Checks the options of `serve`. Hooks and callbacks will be called on `self`. */
export function resolveServeOptions<Data>(
  options: ServeOptions<Data> & ServerCallbacks<Data>,
  handler: Handler<Data> | undefined,
  defaults: ServerSettings<Data>,
  self: object,
): ServeSettings<Data> {
  const settings = resolveServerOptions("serve", SERVE_OPTIONS, options, handler, defaults, self);
  const { tls } = options;
  checkTls(tls);
  return { settings, target: resolveListenTarget(options), tls };
}

const BROKER_METHODS = ["start", "publish", "subscribe", "unsubscribe", "close"] as const;

const BROKER_HINT = " (as redisBroker() of @sluice/websocket/brokers/redis returns)";

/** Checks the options of `accept`. Hooks and callbacks will be called on `self`. */
export function resolveStreamOptions<Data>(
  options: AcceptStreamOptions<Data>,
  defaults: AcceptSettings<Data>,
  self: object,
): { settings: AcceptSettings<Data>; secure: boolean } {
  const names: Names<AcceptStreamOptions> = { ...ACCEPT_OPTIONS, secure: true };
  checkOptions("accept", options as AcceptStreamOptions, names);
  const { secure = false } = options;
  checkBoolean("secure", secure);
  return { settings: resolveAcceptOptions(options, defaults, self), secure };
}

/** Checks the options, all of which `known` names, and the handler of `serve` or `mount`. */
export function resolveServerOptions<Data>(
  name: string,
  known: Readonly<Record<string, unknown>>,
  options: HostOptions<Data> & ServerCallbacks<Data>,
  handler: Handler<Data> | undefined,
  defaults: ServerSettings<Data>,
  self: object = options,
): ServerSettings<Data> {
  checkNames(name, options, known, `the options of ${name}`);
  const accept = resolveAcceptOptions(options, defaults.accept, self);
  const { maxMessageSize } = accept.connection.limits;
  const largestPiece = accept.fetch === undefined
    ? maxMessageSize
    : Math.max(maxMessageSize, accept.maxRequestBodySize * BODY_COPIES);
  const { onEvent, signal, broker, resume, presence } = options;
  const { maxConnections = Infinity, maxConnectionsPerAddress = Infinity } = options;
  const {
    maxHandshakes = defaults.maxHandshakes,
    brokerQueueSize = defaults.brokerQueueSize,
  } = options;
  checkFunction("onEvent", onEvent);
  checkHandler(handler, accept.callbacks);
  checkSignal(signal);
  const limits = { maxConnections, maxConnectionsPerAddress, maxHandshakes };
  for (const [name, value] of Object.entries(limits)) checkInteger(name, value, 0);
  if (broker !== undefined) checkMethods("broker", broker, BROKER_METHODS, BROKER_HINT);
  checkInteger("brokerQueueSize", brokerQueueSize, 0);
  return {
    accept,
    handler,
    connectionLimits: Math.min(maxConnections, maxConnectionsPerAddress) === Infinity
      ? undefined
      : new ConnectionLimits(maxConnections, maxConnectionsPerAddress),
    maxHandshakes,
    memoryBudget: resolveMemoryBudget(
      options.memoryBudget,
      largestPiece,
      accept.compression?.contextTakeover ? contextSize(accept.compression) : 0,
    ),
    largestPiece,
    onEvent: onEvent?.bind(self),
    signal,
    broker,
    brokerQueueSize,
    resume: resolveResume(resume, broker, (error) => reportError(accept.onError, error)),
    presence: presence === undefined ? defaults.presence : resolvePresenceOptions(presence),
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

/** Checks the options of handshakes and connections, but not whether one is unknown. */
function resolveAcceptOptions<Data, Conn extends Connection<Data>>(
  options: AcceptOptions<Data, UpgradeAcceptance<Data>, Conn> & ConnectionCallbacks<Data, Conn>,
  defaults: AcceptSettings<Data, Conn>,
  self: object,
): AcceptSettings<Data, Conn> {
  const { headLimits } = defaults;
  const {
    origin = defaults.origin,
    handshakeTimeoutMs = defaults.handshakeTimeoutMs,
    responseTimeoutMs = defaults.responseTimeoutMs,
    maxHeadSize = headLimits.maxHeadSize,
    maxHeadLineSize = headLimits.maxLineSize,
    maxHeadFields = headLimits.maxFields,
    maxRequestBodySize = defaults.maxRequestBodySize,
  } = options;
  validateOriginPolicy(origin);
  checkDuration("handshakeTimeoutMs", handshakeTimeoutMs);
  checkDuration("responseTimeoutMs", responseTimeoutMs);
  const limits = { maxHeadSize, maxHeadLineSize, maxHeadFields, maxRequestBodySize };
  for (const [name, value] of Object.entries(limits)) checkInteger(name, value, 0);
  for (const name of ["upgrade", "fetch", "onError"] as const) checkFunction(name, options[name]);
  return {
    upgrade: options.upgrade?.bind(self),
    fetch: options.fetch?.bind(self),
    origin,
    compression: resolveCompressionOptions(options.compression),
    handshakeTimeoutMs,
    responseTimeoutMs,
    headLimits: resolveHeadLimits("RequestHeadParser", {
      maxHeadSize,
      maxLineSize: maxHeadLineSize,
      maxFields: maxHeadFields,
    }),
    maxRequestBodySize,
    onError: options.onError?.bind(self) ?? defaults.onError,
    callbacks: resolveCallbacks(options) && self as ConnectionCallbacks<Data, Conn>,
    connection: resolveConnectionOptions(options, defaults.connection.clock),
  };
}

/** The range of the budget that is not given: what follows from the largest piece is bounded. */
const MIN_DEFAULT_SIZE = 16 * 1024 * 1024;
const MAX_DEFAULT_SIZE = 256 * 1024 * 1024;

/** Checks the option `memoryBudget`. A connection's compression keeps `contextSize` bytes. */
export function resolveMemoryBudget(
  given: HostOptions["memoryBudget"] = {},
  largestPiece: number,
  contextSize = 0,
): MemoryBudgetOptions | undefined {
  if (given === false) return undefined;
  const size = largestPiece === Infinity ? 0 : 4 * largestPiece;
  const defaults = {
    size: Math.min(Math.max(MIN_DEFAULT_SIZE, size), MAX_DEFAULT_SIZE),
    sizePerConnection: 32 * 1024 + 2 * contextSize,
  };
  const budget = withDefaults("memoryBudget", given, defaults, "false");
  checkInteger("memoryBudget.size", budget.size, 1);
  checkInteger("memoryBudget.sizePerConnection", budget.sizePerConnection, 0);
  return budget;
}

const TLS_OPTIONS: Names<TlsCertificate> = { cert: true, key: true };

function resolveListenTarget(
  options: Pick<ServeOptions, "path" | "port" | "hostname">,
): ListenTarget {
  const { path, port = 8080, hostname = "0.0.0.0" } = options;
  if (path !== undefined) {
    if (options.port !== undefined || options.hostname !== undefined) {
      throw new TypeError("Cannot listen on a path and a port at once: give one of them");
    }
    checkPath(path);
    return { path };
  }
  checkInteger("port", port, 0, 65535);
  if (typeof hostname !== "string" || hostname === "") {
    throw invalidType("hostname", "a host name or an IP address", hostname);
  }
  return { hostname, port };
}

/** Checks a certificate's type; the adapter checks what it says. */
function checkTls(tls: TlsCertificate | undefined): void {
  if (tls === undefined) return;
  checkNames("tls", tls, TLS_OPTIONS);
  for (const name of ["cert", "key"] as const) {
    if (typeof tls[name] === "string") continue;
    throw invalidType(
      `tls.${name}`,
      'a PEM encoded string, such as a file read as "utf8"',
      tls[name],
    );
  }
}
