/**
 * The part of Deno's API that the adapter uses, so that the package type-checks without Deno's types.
 *
 * @module
 */

/** An address. */
export type DenoAddr =
  | { transport: "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string | null };

/** A connected socket of Deno. */
export interface DenoConn {
  /** The peer's address. */
  readonly remoteAddr: DenoAddr;
  /** The local address. */
  readonly localAddr: DenoAddr;
  /** Reads the bytes that have arrived, or waits for some; `null` after the peer's FIN. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes, and resolves to their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Sends FIN. */
  closeWrite(): Promise<void>;
  /** Closes the socket. */
  close(): void;
  /** Turns Nagle's algorithm off; TCP only. */
  setNoDelay?(on: boolean): void;
}

/** A listening socket of Deno. */
export interface DenoListener {
  /** The bound address. */
  readonly addr: DenoAddr;
  /** Waits for a connection. */
  accept(): Promise<DenoConn>;
  /** Stops listening. */
  close(): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process exit. */
  unref(): void;
}

/** The global `Deno`. */
export interface DenoApi {
  /** Listens on a TCP or Unix socket. */
  listen(
    options: { hostname: string; port: number; tcpBacklog?: number } | {
      transport: "unix";
      path: string;
    },
  ): DenoListener;
  /** Connects to a TCP or Unix socket. */
  connect(
    options:
      | { hostname: string; port: number; signal: AbortSignal }
      | { transport: "unix"; path: string },
  ): Promise<DenoConn>;
}
