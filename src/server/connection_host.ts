// What is disposed of is no part of "es2024", nor of "dom".
/// <reference lib="esnext.disposable" preserve="true" />

import type { Connection, Sendable } from "../connection/connection.ts";
import type { PresentMember } from "../topics/presence/options.ts";
import type { ServerConnection } from "./server_connection.ts";
import type { ServerStats } from "./stats.ts";

/** How a server is shut down. */
export interface ShutdownOptions {
  /**
   * The status code the connections are closed with: one that may be sent.
   *
   * @default {1001}
   */
  closeCode?: number | undefined;
  /**
   * The reason sent with the code, at most 123 bytes of UTF-8.
   *
   * @default {""}
   */
  reason?: string | undefined;
  /**
   * Over how long to spread the closing, in milliseconds: an integer from 0 to 2,147,483,647. Each
   * connection is closed at a random moment of it, so that not all clients return in the same
   * second: give it with the code 1012, "service restart", if another server takes over.
   *
   * @default {0}
   */
  spreadMs?: number | undefined;
  /**
   * How long to wait for the connections to close and responses to end, from the end of `spreadMs` on, in
   * milliseconds: an integer from 1 to 2,147,483,647, or `Infinity`. Past it they are dropped.
   *
   * @default {5000}
   */
  timeoutMs?: number | undefined;
  /**
   * Whether to go on listening until all have closed, and to refuse new requests with 503 meanwhile: for
   * a load balancer that takes a refused connection for a fault. Otherwise there is no listening
   * from the call on, so that another server can have the address.
   *
   * @default {false}
   */
  keepListening?: boolean | undefined;
}

/** How a message is published. */
export interface PublishOptions {
  /** A connection that is not to get it: mostly the one that sent it. */
  except?: Connection | undefined;
  /**
   * Whether the message is compressed, for connections that agreed to compression.
   *
   * @default {from `compression.threshold` on}
   */
  compress?: boolean | undefined;
  /**
   * What stands for the message with subscribers whose `lag` is `"latest"`: of the messages of a topic
   * that have the same key, only the last one waits. With a {@linkcode HostOptions.broker} it has no half of
   * a surrogate pair.
   *
   * @default {""}
   */
  key?: string | undefined;
}

/**
 * A server of WebSockets: one that listens itself, or one that is mounted on an HTTP server.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface ConnectionHost<Data = unknown> extends AsyncDisposable {
  /** The open connections. */
  readonly connections: ReadonlySet<ServerConnection<Data>>;
  /** Resolves when the server has been shut down: nothing listens any more, and no connection is open. */
  readonly finished: Promise<void>;
  /**
   * Shuts the server down: listens no more, closes the connections with 1001, waits for them, and for plain
   * HTTP responses to clients that have not left, and drops those that have not ended in time. Handshakes
   * under way are refused with 503, and so is what comes from an HTTP server that this one is mounted on. A
   * response without an end can be told by {@linkcode RequestInfo.shutdownSignal}.
   *
   * Calling it again with `timeoutMs` or `spreadMs` ends it sooner, if these come to an end sooner than those
   * before, and with `keepListening: false` stops listening now; all else of the first call stays.
   *
   * @returns The same promise as {@linkcode ConnectionHost.finished}.
   * @throws {RangeError} If the code or a time is out of its range.
   * @throws {TypeError} If the reason is too long, or an option is unknown or of another type.
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
  /**
   * Sends a message to all connections that are subscribed to a topic at this moment: see
   * {@linkcode ServerConnection.subscribe}. It is encoded, and compressed, once for all. What is published in
   * one turn of the event loop goes out together at its end, in the order of all that is sent. With
   * {@linkcode HostOptions.broker} it goes to the other servers too.
   *
   * @param topic The topic's name.
   * @param data A string, sent as text, or bytes, sent as binary: they are copied.
   * @throws {TypeError} If the topic or the key is no string, the message neither a string nor a
   * `Uint8Array`, or an option unknown; with a broker also if the topic or the key has half of a surrogate
   * pair, or the topic begins with `$presence/`.
   * @throws {RangeError} If there is a broker, or the messages of the topic are retained
   * ({@linkcode HostOptions.resume}), and the topic has more than 1,024 bytes of UTF-8.
   */
  publish(topic: string, data: Sendable, options?: PublishOptions): void;
  /** Counts the connections of this server that are subscribed to a topic. */
  subscriberCount(topic: string): number;
  /**
   * Tells who is in a topic, in the order of their keys: see {@linkcode SubscribeOptions.presence}. No
   * connection here needs to be subscribed to it.
   *
   * If a connection here has watched the topic for a second, it is known at once. Otherwise the
   * other servers are asked: it takes until all that are known have answered, and a second at most; no time
   * while the broker is known to be out of reach.
   *
   * @param topic The topic's name.
   * @throws {TypeError} If the topic is no string; with a broker also if it has half of a surrogate
   * pair, or begins with `$presence/`.
   * @throws {RangeError} If there is a broker, and the topic has more than 1,008 bytes of UTF-8.
   */
  presence(topic: string): Promise<PresentMember[]>;
  /** Tells what the server has done so far, and how it stands. Takes time for each connection. */
  stats(): ServerStats;
}
