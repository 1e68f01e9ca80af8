import type { Names, Optional } from "../checks.ts";
import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import { CONNECTION_OPTIONS, type ConnectionOptions } from "../connection/options.ts";
import type { CompressionOptions } from "../extensions/compression_options.ts";
import type { OriginCheck, OriginPolicy } from "../handshake/origin_policy.ts";
import type { CallbackResult } from "../hooks.ts";
import type { HeaderFields } from "../http1/field_line.ts";
import type { Broker } from "../topics/cluster/broker.ts";
import type { PresenceOptions } from "../topics/presence/options.ts";
import type { Address, TlsCertificate } from "../transport/byte_channel.ts";
import type { MemoryBudgetOptions } from "./memory_budget.ts";
import type { ResumeOptions } from "./resume_options.ts";
import type { ServerCallbacks, ServerConnection } from "./server_connection.ts";
import type { ServerEvent } from "./stats.ts";

/** What is known of a request besides the request itself. */
export interface RequestInfo {
  /** The client's address. Behind a proxy, it is the proxy's. */
  readonly remoteAddress: Address;
  /** The local address. */
  readonly localAddress: Address;
  /**
   * The subprotocols the client offers, in its order of preference (RFC 6455, section 1.9). None is
   * selected unless the `upgrade` hook returns it, or one of `layers` has it.
   */
  readonly subprotocols: readonly string[];
  /**
   * Aborts if the client leaves, by a reset or by the end of its side, while the hook is awaited or its
   * response is sent; if the hook takes longer than `handshakeTimeoutMs`; and if the response is cut:
   * because the client takes nothing of it for `responseTimeoutMs`, because memory is short, because it makes
   * room for a newcomer, or because its body fails. The reason says which. A hook that then throws the
   * reason, or an `AbortError`, is not reported to `onError`.
   *
   * A client that has only ended its side, and waits for the answer, can't be told from one that has left. It
   * gets what is sent without a pause of half a second, as long as it takes some of it within every 10 seconds;
   * then it is dropped, and the stream of a response cancelled. The end is seen behind what came before it:
   * if 4 KiB or more have come behind the request and its body, not before the hook has returned.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts when the shutdown of the server begins, so that the program can end responses that have no end by
   * themselves: {@linkcode ConnectionHost.shutdown} waits for them, up to its `timeoutMs`. A hook that then
   * throws the reason, or an `AbortError`, has the client get 503. With {@linkcode accept} it never aborts.
   */
  readonly shutdownSignal: AbortSignal;
}

/** How a WebSocket is accepted. */
export interface UpgradeAcceptance<Data> {
  /** The subprotocol, one of those the client offers. Default: none. */
  protocol?: string | undefined;
  /** Header fields to add to the 101 response, such as `Set-Cookie`. Default: none. */
  headers?: HeaderFields | undefined;
  /** What the connection carries as `conn.data`. */
  data?: Data;
}

/**
 * What the `upgrade` hook decides: to accept, with `{}` or with particulars, or to refuse with a
 * `Response`, of whatever class.
 */
export type UpgradeResult<Data> = UpgradeAcceptance<Data> | Response;

/**
 * What `conn.data` is, by the type of what the `upgrade` hook accepts with. If it accepts with one of
 * several, it is one of several: `{ data: User } | { data: Guest }` gives `User | Guest`.
 *
 * @typeParam Data What it is if the hook does not tell.
 * @typeParam Acceptance The type of what the hook returns to accept.
 */
export type AcceptedData<Data, Acceptance> = Acceptance extends { data: infer Given } ? Given
  : Acceptance extends UpgradeAcceptance<Data> ? Data
  : Acceptance extends { data?: infer Given } ? Given
  : Data;

/**
 * What the `upgrade` hook may accept with: an {@linkcode UpgradeAcceptance}, without other keys.
 *
 * @typeParam Acceptance The type of what the hook returns to accept.
 */
export type AnyAcceptance<Acceptance> =
  & UpgradeAcceptance<unknown>
  & {
    // Of several types, "data" has TypeScript refuse those that have nothing in common with them.
    [Name in "data" | Exclude<keyof Acceptance, keyof UpgradeAcceptance<unknown>>]?: Name extends
      "data" ? unknown : never;
  };

/**
 * Options of the opening handshake, and of the connections that come of it.
 *
 * @typeParam Data What the `upgrade` hook attaches.
 * @typeParam Acceptance What the hook accepts with.
 * @typeParam Conn The type of connections.
 */
export interface AcceptOptions<
  Data = unknown,
  Acceptance = UpgradeAcceptance<Data>,
  Conn extends Connection<Data> = Connection<Data>,
> extends ConnectionOptions {
  /**
   * Decides about a WebSocket request that is valid: by default it is accepted. Returns `{}`, or an object
   * with some of `protocol`, `headers` and `data`, to accept it, and a `Response` to refuse it. The
   * connection's bytes wait meanwhile. If the hook throws, or returns anything else, `undefined` too,
   * the client gets 500, and the error is reported to `onError`.
   */
  upgrade?:
    | ((
      request: Request,
      info: RequestInfo,
    ) => Acceptance | Response | Promise<Acceptance | Response>)
    | undefined;
  /**
   * Answers plain HTTP requests on the same port: one a connection, with a body of at most
   * `maxRequestBodySize` and a `Content-Length`. A response that sets `Content-Length` can be told from
   * one cut short; any other ends with the connection. By default they get 426. If the hook throws, or
   * what it returns is no response, of whatever class, the client gets 500, and the error is reported to
   * `onError`.
   */
  fetch?: ((request: Request, info: RequestInfo) => Response | Promise<Response>) | undefined;
  /**
   * Which origins may connect. Browsers send the origin of the page, other clients may leave it out.
   * `"same"`: if one is sent it must be that of the server itself. `"any"`: all. A list of serialized
   * origins, or a function that returns whether one is allowed, or a promise of that, within
   * `handshakeTimeoutMs`. Others get 403. If the function throws, or gives neither `true` nor `false`, the
   * client gets 500, and the error is reported to `onError`.
   *
   * @default {"same"}
   */
  origin?: OriginPolicy | OriginCheck | undefined;
  /**
   * Whether messages are compressed if the client offers it (permessage-deflate, RFC 7692), and
   * how: `true` stands for the defaults.
   *
   * @default {false}
   */
  compression?: CompressionOptions | boolean | undefined;
  /**
   * How long the opening handshake may take, from the first moment of the connection to the response,
   * hooks included, in milliseconds: an integer from 1 to 2,147,483,647, or `Infinity`. It is not
   * extended by traffic. Past it the connection is closed, with 408 if a request had begun.
   *
   * The handshake of a message layer (`layers`), or the resume request of a client, has the same time again,
   * from the response on: past it the connection is closed with 1013.
   *
   * @default {10000}
   */
  handshakeTimeoutMs?: number | undefined;
  /**
   * How long a client may take nothing of a plain HTTP response, or of a refusal, in milliseconds: an integer
   * from 1 to 2,147,483,647, or `Infinity`. It begins anew whenever the system takes a chunk, or 64 KiB of a
   * larger one: for a client that reads slowly the system does so in steps of megabytes. Past it the
   * connection is dropped, {@linkcode RequestInfo.signal} aborts with a `TimeoutError`, and an event
   * `"drop"` tells.
   *
   * When all of a response was given to the system, which may still hold megabytes of it, the client has that
   * time for each MiB of it, 8 at most, to read the rest and leave. After a response of up to 64 KiB it has
   * `closeTimeoutMs`.
   *
   * @default {60000}
   */
  responseTimeoutMs?: number | undefined;
  /**
   * The largest request head, in bytes: 0 or more, or `Infinity`. Past it: 431.
   *
   * @default {16384}
   */
  maxHeadSize?: number | undefined;
  /**
   * The longest line of a request head, in bytes: 0 or more, or `Infinity`. Past it: 414 or 431.
   *
   * @default {8192}
   */
  maxHeadLineSize?: number | undefined;
  /**
   * The most header fields of a request: 0 or more, or `Infinity`. Past it: 431. The `Request` that the
   * hooks are given costs Deno and Bun the square of it: milliseconds for thousands.
   *
   * @default {100}
   */
  maxHeadFields?: number | undefined;
  /**
   * The largest body of a plain HTTP request, in bytes: 0 or more, or `Infinity`. Past it: 413.
   *
   * @default {1048576}
   */
  maxRequestBodySize?: number | undefined;
  /**
   * Takes the errors of the program's own code: hooks, handlers, callbacks and listeners, those among them
   * that say what to close with. What a peer does wrong is no error of the program, and is not reported, nor
   * is what a handler or a callback fails with as its own connection ended. If it fails itself, the
   * console gets both errors.
   *
   * @default {console.error}
   */
  onError?: ((error: unknown, conn?: Conn) => CallbackResult) | undefined;
}

/** Options of a server, whether it listens itself or is mounted. */
export interface HostOptions<Data = unknown, Acceptance = UpgradeAcceptance<Data>>
  extends AcceptOptions<Data, Acceptance, ServerConnection<Data>> {
  /** Shuts the server down when it aborts, as {@linkcode ConnectionHost.shutdown} does. */
  signal?: AbortSignal | undefined;
  /**
   * Takes what happens on the server: connections opened and ended, requests refused. Cheap enough to
   * leave on, as nothing is told of messages. What it throws, or rejects with, is reported to `onError`; a
   * promise is not waited for.
   */
  onEvent?: ((event: ServerEvent<Data>) => CallbackResult) | undefined;
  /**
   * What brings published messages to the other servers that have the same broker, such as that of
   * `@sluice/websocket/brokers/redis`; each server needs one of its own. By default they reach the
   * connections of this server only.
   *
   * The connections of this server get what is published here at once, and do not wait for the broker;
   * those of other servers get it at most once, in the order of each server. `except` is for this server
   * alone. The broker is subscribed to a topic while a connection here is: what is published elsewhere in
   * the moment before it is, is missed. With a broker a topic has at most 1,024 bytes of UTF-8, no half of
   * a surrogate pair, and does not begin with `$presence/`.
   *
   * The server starts, and serves, whether the broker can be reached or not; `onEvent` is told. If
   * there is no `onEvent`, `onError` gets the errors. {@linkcode ConnectionHost.shutdown} closes the
   * broker; until then it keeps the process from ending.
   */
  broker?: Broker | undefined;
  /**
   * How many bytes of published messages wait for the broker while it is away, or too slow: 0 or more,
   * or `Infinity`. Each message counts for 256 bytes more than it has. Past it, those that have waited
   * longest are dropped, and `onEvent` is told.
   *
   * @default {16777216}
   */
  brokerQueueSize?: number | undefined;
  /**
   * Whether clients that lost their connection get what they missed, on the topics that they are subscribed
   * to once they are back: those that speak the subprotocol `sluice.resume.v1`, as `reconnecting` of
   * `@sluice/websocket/client` does by itself. Published messages are retained for that, each for `windowMs`;
   * `true` stands for the defaults.
   *
   * A topic whose messages are retained has at most 1,024 bytes of UTF-8. Without a
   * {@linkcode HostOptions.broker} they are held in memory, which counts apart from `memoryBudget`. With
   * one it has to be a {@linkcode KeepingBroker}, such as those for Redis and NATS: what is published goes
   * there first, and comes back to all servers in one order, also to this one; it is held until the broker
   * has it. A connection with a layer of the option `layers` does not resume.
   *
   * @default {false}
   */
  resume?: Optional<ResumeOptions> | boolean | undefined;
  /**
   * Who is in a topic, on all servers that have the same broker: how long those of a server stay that is
   * gone, and what others are told of who comes and goes. Who is there, subscriptions say:
   * {@linkcode SubscribeOptions.presence}. It costs nothing if none does.
   */
  presence?: PresenceOptions | undefined;
  /**
   * The most WebSockets at once: 0 or more, or `Infinity`. Past it the handshake is refused with 503. Plain
   * HTTP requests are not counted: they have a place of `maxHandshakes`.
   *
   * @default {Infinity}
   */
  maxConnections?: number | undefined;
  /**
   * The most connections at once of one remote IP address: 0 or more, or `Infinity`. Past it the
   * handshake is refused with 503. All addresses of an IPv6 network (/64) count as one, since a single
   * host may have all of them; IPv4 addresses within IPv6 count as IPv4. Behind a proxy all connections
   * have the proxy's address; Unix sockets have none, and are not counted. Plain HTTP requests are not
   * counted either: they have a place of `maxHandshakes`.
   *
   * @default {Infinity}
   */
  maxConnectionsPerAddress?: number | undefined;
  /**
   * The most opening handshakes in progress at once, plain HTTP requests and TLS handshakes included:
   * 0 or more, or `Infinity`. Past it one that waits for its client makes room for a new one: one that
   * has waited for half a second or longer, if there is any; of these, of the address that has the most,
   * the one that came first. It is dropped without an answer, which would cost what this limit is to
   * save. If no client has its request to send, a response that is being sent, which
   * may be a stream without end, makes room in the same way. If all of them wait for a hook, the new one is
   * dropped. Addresses count together as for `maxConnectionsPerAddress`.
   *
   * @default {10000}
   */
  maxHandshakes?: number | undefined;
  /**
   * How many bytes all connections together may hold: of requests and messages that are still
   * arriving, of messages that wait for the program, of the bodies of requests until their responses
   * are done, and of what waits to be sent. `false` for any number.
   *
   * Up to half of it no connection is hindered. Past that, connections that hold more than their share (that
   * half, divided by all of them) are read from by turns, and those that stay above it for two
   * seconds are closed. Past all of it, those that hold the most are closed at once. They are closed
   * with 1013, or without a Close frame if they don't read, and requests with 503. The chunk of
   * a plain HTTP response that is being sent counts only once its client has taken nothing for two seconds:
   * it is cut then if memory is short, and `onError` and an event `"drop"` tell. A message that the program has in hand
   * is its own, and does not count.
   */
  memoryBudget?: Optional<MemoryBudgetOptions> | false | undefined;
}

/** Options of a server that listens. */
export interface ServeOptions<Data = unknown, Acceptance = UpgradeAcceptance<Data>>
  extends HostOptions<Data, Acceptance> {
  /**
   * The port to listen on: 0 to 65,535; 0 picks a free one.
   *
   * @default {8080}
   */
  port?: number | undefined;
  /**
   * The address or host name to listen on. `"127.0.0.1"` is for this machine only, `"::"` for IPv6 too.
   *
   * @default {"0.0.0.0"}
   */
  hostname?: string | undefined;
  /** The path of a Unix domain socket to listen on, instead of a port. */
  path?: string | undefined;
  /** A certificate and its key: the server then speaks TLS (`wss:`). */
  tls?: TlsCertificate | undefined;
}

/** Every option of {@linkcode AcceptOptions}, and the callbacks. */
export const ACCEPT_OPTIONS: Names<AcceptOptions & ConnectionCallbacks<unknown>> = {
  ...CONNECTION_OPTIONS,
  upgrade: true,
  fetch: true,
  origin: true,
  compression: true,
  handshakeTimeoutMs: true,
  responseTimeoutMs: true,
  maxHeadSize: true,
  maxHeadLineSize: true,
  maxHeadFields: true,
  maxRequestBodySize: true,
  onError: true,
};

/** Every option of {@linkcode HostOptions}, and the callbacks. */
export const SERVER_OPTIONS: Names<HostOptions & ServerCallbacks> = {
  ...ACCEPT_OPTIONS,
  signal: true,
  onEvent: true,
  broker: true,
  brokerQueueSize: true,
  resume: true,
  presence: true,
  maxConnections: true,
  maxConnectionsPerAddress: true,
  maxHandshakes: true,
  memoryBudget: true,
};

/** Every option of {@linkcode ServeOptions}, and the callbacks. */
export const SERVE_OPTIONS: Names<ServeOptions & ServerCallbacks> = {
  port: true,
  hostname: true,
  path: true,
  tls: true,
  ...SERVER_OPTIONS,
};

/** Handles one connection, which ends with 1000 when the handler returns, with 1011 when it throws. */
export type Handler<Data = unknown> = (conn: ServerConnection<Data>) => CallbackResult;
