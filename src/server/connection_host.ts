import type { Connection } from "../connection/connection.ts";
import type { ServerStats } from "./stats.ts";

/** How a server is shut down. */
export interface ShutdownOptions {
  /**
   * The status code the connections are closed with: one that may be sent.
   *
   * @default {1001}
   */
  closeCode?: number;
  /**
   * The reason sent with the code, at most 123 bytes of UTF-8.
   *
   * @default {""}
   */
  reason?: string;
  /**
   * Over how long to spread the closing, in milliseconds: an integer from 0 to 2,147,483,647. Each
   * connection is closed at a random moment of it, so that not all clients return in the same
   * second: give it with the code 1012, "service restart", where another server takes over.
   *
   * @default {0}
   */
  spreadMs?: number;
  /**
   * How long to wait for the connections to close, from the end of `spreadMs` on, in milliseconds:
   * an integer from 1 to 2,147,483,647, or `Infinity`. Past it they are dropped.
   *
   * @default {5000}
   */
  timeoutMs?: number;
}

/**
 * What keeps WebSocket connections, wherever they come from: a server that listens, or one that is
 * mounted on another.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface ConnectionHost<Data = unknown> extends AsyncDisposable {
  /** The open connections. */
  readonly connections: ReadonlySet<Connection<Data>>;
  /** Resolves when the server has been shut down: nothing listens any more, and no connection is open. */
  readonly finished: Promise<void>;
  /**
   * Shuts the server down: closes the connections with 1001, waits for them, and drops those that have
   * not closed in time. New handshakes are refused with 503 meanwhile. Calling it again changes
   * nothing.
   *
   * @returns The same promise as {@linkcode ConnectionHost.finished}.
   * @throws {RangeError} Where the code or the timeout is out of its range.
   * @throws {TypeError} Where the reason is too long.
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
  /** Tells what the server has done so far, and how it stands. Takes time for each connection. */
  stats(): ServerStats;
}
