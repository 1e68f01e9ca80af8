import type { TlsClientOptions } from "../transport/byte_channel.ts";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkList,
  checkNames,
  checkPath,
  checkSignal,
  checkString,
  invalidType,
  type Names,
} from "../checks.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import type { ClientCallbacks, ClientConnection } from "./client_connection.ts";
import {
  CONNECTION_OPTIONS,
  type ConnectionOptions,
  type ConnectionSettings,
  resolveCallbacks,
  resolveConnectionOptions,
} from "../connection/options.ts";
import {
  COMPRESSION_OPTIONS,
  type CompressionOptions,
  type CompressionSettings,
  resolveCompressionOptions,
} from "../extensions/compression_options.ts";
import { entries, type HeaderFields } from "../http1/field_line.ts";
import type { RequestHeadLimits } from "../http1/head_limits.ts";
import { type CallbackResult, logError, type OnError } from "../hooks.ts";
import { type ProxyOptions, type ProxySettings, resolveProxy } from "./proxy.ts";

/** What a function among the options is told of the attempt that it is called for. */
export interface AttemptInfo {
  /** Aborts where the attempt is given up: it took too long, or the program's `signal` aborted. */
  readonly signal: AbortSignal;
}

/**
 * What may differ from attempt to attempt: a value, or a function that gives it, at once or as a promise,
 * such as a token that is fetched anew. It is called for each attempt, and `connectTimeoutMs` includes it.
 * Where it throws, or rejects, the attempt has failed with a `ConnectError` of the code `"EOPTION"`.
 */
export type PerAttempt<T> = T | ((info: AttemptInfo) => T | Promise<T>);

/**
 * Options of a client.
 *
 * @typeParam Data What the connection carries as `conn.data`.
 */
export interface ConnectOptions<Data = undefined> extends ConnectionOptions {
  /** What the connection carries as `conn.data`. */
  data?: Data;
  /**
   * The subprotocols to offer, in the order of preference (RFC 6455, section 1.9). The server must
   * select one of them, which `conn.protocol` tells.
   *
   * @default {[]}
   */
  subprotocols?: readonly string[] | undefined;
  /**
   * Header fields to send with the request, such as `Authorization`, `Cookie` or `Origin`, or a function that
   * gives them: see {@linkcode PerAttempt}. Default: none.
   */
  headers?: PerAttempt<HeaderFields> | undefined;
  /**
   * Whether messages are compressed where the server agrees (permessage-deflate, RFC 7692), and how:
   * `true` stands for the defaults.
   *
   * @default {false}
   */
  compression?: Omit<CompressionOptions, "maxContexts"> | boolean | undefined;
  /**
   * Ends the attempt when it aborts: `connect` rejects with its reason. It does not concern the
   * connection once that is open.
   */
  signal?: AbortSignal | undefined;
  /**
   * How long connecting may take, from the look-up of the name to the server's answer, redirects and
   * functions for the URL and the headers included, in milliseconds: an integer from 1 to 2,147,483,647, or
   * `Infinity`.
   *
   * @default {10000}
   */
  connectTimeoutMs?: number | undefined;
  /**
   * How many redirects are followed: an integer from 0, or `Infinity`. The fields `Authorization`,
   * `Cookie`, `Host` and `Proxy-Authorization`, and of `tls` the certificate and the `serverName`, are
   * for the origin of the URL only; from `wss:` none leads to `ws:`.
   *
   * @default {0}
   */
  maxRedirects?: number | undefined;
  /**
   * The proxy to connect through by CONNECT (RFC 9110, section 9.3.6): an `http:` or `https:` URL, with
   * the user and password in it, if any. With options for the TLS of an `https:` proxy, an object.
   *
   * `"environment"` takes the proxy that environment variables name, if they do: `HTTPS_PROXY` for `wss:`,
   * `HTTP_PROXY` for `ws:`, and `ALL_PROXY` for both; but not for the servers in `NO_PROXY`, names (and all
   * below them), IP addresses and networks such as `10.0.0.0/8`, behind commas. Names in lower case come
   * first. Where `REQUEST_METHOD` is set, as for CGI, `HTTP_PROXY` may be a client's header, and only
   * `http_proxy` counts. They are read for each attempt, and each redirect.
   *
   * @default none, whatever the environment says
   */
  proxy?: string | URL | ProxyOptions | undefined;
  /** How the TLS of a `wss:` URL checks the server; that of a proxy is apart. Default: see each. */
  tls?: TlsClientOptions | undefined;
  /** The path of a Unix domain socket to connect to, instead of the URL's host. */
  path?: string | undefined;
  /**
   * The largest head of a response, in bytes: 0 or more, or `Infinity`.
   *
   * @default {16384}
   */
  maxHeadSize?: number | undefined;
  /**
   * The longest line in the head of a response, without its line ending, in bytes: 0 or more, or `Infinity`.
   *
   * @default {8192}
   */
  maxHeadLineSize?: number | undefined;
  /**
   * The most fields in the head of a response: 0 or more, or `Infinity`.
   *
   * @default {100}
   */
  maxHeadFields?: number | undefined;
  /**
   * Takes the errors of the program's own callbacks and listeners, those among them that say what to close
   * with. What a peer does wrong is no error of the program, and is not reported, nor is what a callback
   * fails with as its own connection ended. Where it fails itself, the console gets both errors.
   *
   * @default {console.error}
   */
  onError?: ((error: unknown, conn?: ClientConnection<Data>) => CallbackResult) | undefined;
}

/** Every option of {@linkcode ConnectOptions}, and the callbacks. */
export const CONNECT_OPTIONS: Names<ConnectOptions & ClientCallbacks> = {
  data: true,
  subprotocols: true,
  headers: true,
  compression: true,
  signal: true,
  connectTimeoutMs: true,
  maxRedirects: true,
  proxy: true,
  tls: true,
  path: true,
  maxHeadSize: true,
  maxHeadLineSize: true,
  maxHeadFields: true,
  onError: true,
  ...CONNECTION_OPTIONS,
};

const TLS_OPTIONS: Names<TlsClientOptions> = {
  serverName: true,
  ca: true,
  cert: true,
  key: true,
  rejectUnauthorized: true,
};

/** A client keeps as many windows as it has connections. */
const { maxContexts: _, ...COMPRESSION } = COMPRESSION_OPTIONS;

/** Options of a client, checked and complete. */
export interface ConnectSettings<Data> {
  readonly data: Data;
  readonly subprotocols: readonly string[];
  readonly headers: PerAttempt<HeaderFields>;
  readonly compression: CompressionSettings | undefined;
  readonly signal: AbortSignal | undefined;
  readonly connectTimeoutMs: number;
  readonly maxRedirects: number;
  readonly proxy: ProxySettings | undefined;
  readonly tls: TlsClientOptions;
  readonly path: string | undefined;
  readonly headLimits: RequestHeadLimits;
  readonly onError: OnError<ClientConnection<Data>>;
  readonly callbacks: ClientCallbacks<Data> | undefined;
  readonly connection: ConnectionSettings;
}

/**
 * Checks the options, and fills in the defaults. That none is unknown is for the caller to check.
 *
 * @throws {RangeError} Where a number is out of its range.
 * @throws {TypeError} Where an option is of another type.
 */
export function resolveConnectOptions<Data>(
  options: ConnectOptions<Data> & ClientCallbacks<Data>,
  clock: Clock = systemClock,
): ConnectSettings<Data> {
  const {
    subprotocols = [],
    headers,
    connectTimeoutMs = 10_000,
    maxRedirects = 0,
    maxHeadSize = 16 * 1024,
    maxHeadLineSize = 8192,
    maxHeadFields = 100,
    signal,
    proxy,
    path,
  } = options;
  checkList("subprotocols", subprotocols);
  checkDuration("connectTimeoutMs", connectTimeoutMs);
  checkInteger("maxRedirects", maxRedirects, 0);
  checkInteger("maxHeadSize", maxHeadSize, 0);
  checkInteger("maxHeadLineSize", maxHeadLineSize, 0);
  checkInteger("maxHeadFields", maxHeadFields, 0);
  checkSignal(signal);
  checkPath(path);
  if (path !== undefined && proxy !== undefined) {
    throw new TypeError("Cannot connect to a path through a proxy: give one or the other");
  }
  checkFunction("onError", options.onError);
  const connection = resolveConnectionOptions(options, clock);
  const layered = connection.layers.map(({ subprotocol }) => subprotocol);
  checkTls("tls", options.tls);
  const proxySettings = resolveProxy(proxy);
  checkTls("proxy.tls", proxySettings?.tls);
  return {
    data: options.data as Data,
    subprotocols: [...subprotocols, ...layered.filter((name) => !subprotocols.includes(name))],
    headers: typeof headers === "function" ? headers.bind(options) : [...entries(headers)],
    compression: resolveCompressionOptions(options.compression, COMPRESSION),
    signal,
    connectTimeoutMs,
    maxRedirects,
    proxy: proxySettings,
    tls: options.tls ?? {},
    path,
    headLimits: { maxHeadSize, maxLineSize: maxHeadLineSize, maxFields: maxHeadFields },
    onError: options.onError?.bind(options) ?? logError,
    callbacks: resolveCallbacks(options),
    connection,
  };
}

/** Checks the options of TLS, but for what certificates say: the adapter does, which knows TLS. */
function checkTls(name: string, tls: TlsClientOptions | undefined): void {
  if (tls === undefined) return;
  checkNames(name, tls, TLS_OPTIONS);
  for (const key of ["serverName", "cert", "key"] as const) checkString(`${name}.${key}`, tls[key]);
  checkBoolean(`${name}.rejectUnauthorized`, tls.rejectUnauthorized);
  const { ca } = tls;
  if (ca === undefined || [ca].flat().every((text) => typeof text === "string")) return;
  throw invalidType(`${name}.ca`, "a string or an array of strings", ca);
}
