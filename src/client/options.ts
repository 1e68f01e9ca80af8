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
  resolveCallbacks,
  resolveConnectionOptions,
} from "../connection/options.ts";
import type { ConnectionSettings } from "../connection/settings.ts";
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

/** The argument of a function among the options that is called for each attempt. */
export interface AttemptInfo {
  /** Aborts when the attempt ends early: after `connectTimeoutMs`, or when the program's `signal` aborts. */
  readonly signal: AbortSignal;
}

/**
 * A value, or a function that returns it or a promise of it. The function is called for each connect attempt, for
 * example to fetch a new token. `connectTimeoutMs` includes its time. If it throws or rejects, the attempt fails
 * with a `ConnectError` with the code `"EOPTION"`.
 */
export type PerAttempt<T> = T | ((info: AttemptInfo) => T | Promise<T>);

/**
 * Options of a client.
 *
 * @typeParam Data The type of `conn.data`.
 */
export interface ConnectOptions<Data = undefined> extends ConnectionOptions {
  /** The value of `conn.data`. */
  data?: Data;
  /**
   * The subprotocols to offer, in order of preference (RFC 6455, section 1.9). The server must select one of
   * them, which is then `conn.protocol`.
   *
   * @default {[]}
   */
  subprotocols?: readonly string[] | undefined;
  /**
   * Header fields of the request, such as `Authorization`, `Cookie` or `Origin`, or a function that returns them:
   * see {@linkcode PerAttempt}. Default: none.
   */
  headers?: PerAttempt<HeaderFields> | undefined;
  /**
   * Whether to offer compression of messages (permessage-deflate, RFC 7692), and its options. `true` is for the
   * default options.
   *
   * @default {false}
   */
  compression?: Omit<CompressionOptions, "maxContexts"> | boolean | undefined;
  /**
   * Ends the attempt when it aborts: `connect` rejects with its reason. It has no effect on the connection once
   * that is open.
   */
  signal?: AbortSignal | undefined;
  /**
   * The timeout for connecting, in milliseconds: an integer from 1 to 2,147,483,647, or `Infinity`. It includes
   * the functions for the URL and the headers, the look-up of the host name, redirects, and the response. The
   * handshake of a message layer (`layers`), if there is one, has the same time again.
   *
   * @default {10000}
   */
  connectTimeoutMs?: number | undefined;
  /**
   * The maximum number of redirects to follow: an integer from 0, or `Infinity`. The fields `Authorization`,
   * `Cookie`, `Host` and `Proxy-Authorization`, and the certificate and the `serverName` of `tls`, are used for the
   * origin of the URL only. A redirect from `wss:` to `ws:` is an error.
   *
   * @default {0}
   */
  maxRedirects?: number | undefined;
  /**
   * The proxy to connect through by CONNECT (RFC 9110, section 9.3.6): an `http:` or `https:` URL, with
   * the user and password in it, if any. An object has options for the TLS of an `https:` proxy, too.
   *
   * `"environment"` uses the proxy of the environment variables, if they are set: `HTTPS_PROXY` for `wss:`,
   * `HTTP_PROXY` for `ws:`, and `ALL_PROXY` for both. It connects directly to the servers in `NO_PROXY`: host names
   * (with their subdomains), IP addresses and networks such as `10.0.0.0/8`, separated by commas. Variables in lower
   * case take precedence. If `REQUEST_METHOD` is set, as for CGI, `HTTP_PROXY` may be a client's header field, and
   * only `http_proxy` is used. The variables are read for each attempt, and each redirect.
   *
   * @default no proxy, whatever the environment variables are
   */
  proxy?: string | URL | ProxyOptions | undefined;
  /** The TLS options for the server of a `wss:` URL. Those of a proxy are separate. Default: see each. */
  tls?: TlsClientOptions | undefined;
  /** The path of a Unix domain socket to connect to, instead of the URL's host. Default: none. */
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
   * Called with the errors of the program's own callbacks and listeners, including a `WebSocketError` that tells how
   * to close the connection. Errors of the peer are not reported, nor is the error of a callback that failed because
   * its own connection ended. If it fails itself, both errors are written to the console.
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

/** Without `maxContexts`, which limits the compression windows of a server's connections. */
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
 * Checks the options, and fills in the defaults. The caller checks their names.
 *
 * @throws {RangeError} If a number is out of range.
 * @throws {TypeError} If an option is of another type.
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
    throw new TypeError("path and proxy must not be given together");
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

/** Checks the TLS options, but not the contents of certificates, which the adapter checks. */
function checkTls(name: string, tls: TlsClientOptions | undefined): void {
  if (tls === undefined) return;
  checkNames(name, tls, TLS_OPTIONS);
  for (const key of ["serverName", "cert", "key"] as const) checkString(`${name}.${key}`, tls[key]);
  checkBoolean(`${name}.rejectUnauthorized`, tls.rejectUnauthorized);
  const { ca } = tls;
  if (ca === undefined || [ca].flat().every((text) => typeof text === "string")) return;
  throw invalidType(`${name}.ca`, "a string or an array of strings", ca);
}
