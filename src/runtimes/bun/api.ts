/**
 * The part of Bun's API that the adapter uses, so that the package type-checks without Bun's types.
 *
 * @module
 */

/** A connected socket of Bun. */
export interface BunSocket<Data> {
  /** A value of the program's. */
  data: Data;
  /** The peer's IP address; not set once the socket is closed, and on Unix sockets. */
  readonly remoteAddress: string | undefined;
  /** The peer's port. */
  readonly remotePort: number | undefined;
  /** The local IP address. */
  readonly localAddress: string | undefined;
  /** The local port. */
  readonly localPort: number | undefined;
  /** Writes as many bytes as the kernel takes, and returns their number; -1 if the socket is closed. */
  write(bytes: Uint8Array): number;
  /** Sends FIN. */
  shutdown(): void;
  /** Resets the connection. */
  terminate(): void;
  /** Stops reading. */
  pause(): void;
  /** Reads again. */
  resume(): void;
}

/** The handlers of all sockets of one listener. */
export interface BunSocketHandler<Data> {
  /** The type of the bytes that `data` takes. */
  binaryType: "uint8array";
  /** A socket connected. Its TLS handshake, if any, follows. */
  open(socket: BunSocket<Data>): void;
  /** The TLS handshake has ended. */
  handshake(socket: BunSocket<Data>, success: boolean): void;
  /** Bytes arrived. */
  data(socket: BunSocket<Data>, bytes: Uint8Array): void;
  /** The peer sent FIN. */
  end(socket: BunSocket<Data>): void;
  /** The kernel takes bytes again. */
  drain(socket: BunSocket<Data>): void;
  /** The socket is closed. */
  close(socket: BunSocket<Data>, error?: unknown): void;
}

/** A listening socket of Bun. */
export interface BunListener {
  /** The bound port. */
  readonly port: number;
  /** The address to bind to, as it was given. */
  readonly hostname: string;
  /** Stops listening. */
  stop(): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process exit. */
  unref(): void;
}

/** Options of `Bun.listen`. */
export type BunListenOptions<Data> =
  & ({ hostname: string; port: number } | { unix: string })
  & {
    /** Whether a socket stays open for writing after the peer's FIN. */
    allowHalfOpen: boolean;
    /** The handlers. */
    socket: BunSocketHandler<Data>;
    /** The certificate and its key. */
    tls?: { cert: string; key: string } | undefined;
  };

/** The global `Bun`. */
export interface BunApi {
  /** Listens on a TCP or Unix socket. */
  listen<Data>(options: BunListenOptions<Data>): BunListener;
}
