/**
 * The part of Bun's API that the adapter uses, so that the package type-checks without Bun's types.
 *
 * @module
 */

/** A connected socket of Bun. */
export interface BunSocket<Data> {
  /** What the application keeps with the socket. */
  data: Data;
  /** The peer's IP address; not set once the socket is gone, and on Unix sockets. */
  readonly remoteAddress: string | undefined;
  /** The peer's port. */
  readonly remotePort: number | undefined;
  /** The local IP address. */
  readonly localAddress: string | undefined;
  /** The local port. */
  readonly localPort: number | undefined;
  /** Writes what the kernel takes: returns how much, -1 where the socket is gone. */
  write(bytes: Uint8Array): number;
  /** Sends FIN. */
  shutdown(): void;
  /** Resets the connection. */
  terminate(): void;
  /** Stops reading. */
  pause(): void;
  /** Reads on. */
  resume(): void;
  /** Turns Nagle's algorithm off. */
  setNoDelay(on: boolean): void;
}

/** What all sockets of one listener share. */
export interface BunSocketHandler<Data> {
  /** The type of the bytes given to `data`. */
  binaryType: "uint8array";
  /** A socket connected; its TLS handshake, if any, is still to come. */
  open(socket: BunSocket<Data>): void;
  /** The TLS handshake is done. */
  handshake(socket: BunSocket<Data>, success: boolean): void;
  /** Bytes arrived. */
  data(socket: BunSocket<Data>, bytes: Uint8Array): void;
  /** The peer sent FIN. */
  end(socket: BunSocket<Data>): void;
  /** The kernel takes bytes again. */
  drain(socket: BunSocket<Data>): void;
  /** The socket is gone. */
  close(socket: BunSocket<Data>, error?: unknown): void;
}

/** A listening socket of Bun. */
export interface BunListener {
  /** The port bound to. */
  readonly port: number;
  /** The address bound to, as it was given. */
  readonly hostname: string;
  /** Stops listening. */
  stop(): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process end. */
  unref(): void;
}

/** Options of `Bun.listen`. */
export type BunListenOptions<Data> =
  & ({ hostname: string; port: number } | { unix: string })
  & {
    /** Whether a socket is still open for writing after the peer's FIN. */
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
