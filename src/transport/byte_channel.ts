/**
 * The interface between Sluice and a runtime, whose adapter creates a channel for each socket.
 *
 * @module
 */

/** The address of one end of a channel. */
export type Address =
  | {
    /** A TCP socket, with or without TLS. */
    transport: "tcp";
    /** The IP address, as text. */
    hostname: string;
    /** The port: 0 to 65535. */
    port: number;
  }
  | {
    /** A Unix domain socket. */
    transport: "unix";
    /** The path of the socket in the file system; `""` for an unnamed peer. */
    path: string;
  }
  | {
    /** A pair of byte streams, which has no address. */
    transport: "stream";
  };

/** Handles the events of a {@linkcode ByteChannel}. */
export interface ByteChannelHandler {
  /**
   * Bytes arrived. The callee may overwrite them (payloads are unmasked in place), and owns them unless they are
   * `borrowed`: then their memory is reused after the call.
   */
  receive(bytes: Uint8Array, borrowed: boolean): void;
  /** The peer ended its direction (FIN). The other direction is still open. */
  receiveEnd(): void;
  /** The write that returned `false` has been taken, and all before it. The next one may follow. */
  drain(): void;
  /**
   * The channel is closed: called once, as the last event. `error` is undefined if both directions ended in order, or
   * `abort()` was called.
   */
  receiveClosed(error?: unknown): void;
}

/** A duplex channel of bytes: a socket of any runtime. */
export interface ByteChannel {
  /** May be replaced at any time, as the connection replaces the opening handshake. */
  handler: ByteChannelHandler;
  readonly remoteAddress: Address;
  readonly localAddress: Address;
  /**
   * Writes the chunks, in order. Nobody changes them until they have been taken: other channels may write the same
   * ones. Returns `true` if they have been taken: their memory may be reused, this process holds none of their
   * bytes, and the next write may follow at once. `false`: it must wait for `drain()`.
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Stops reading, so that TCP slows the peer. Takes effect at once, also within `receive()`. */
  pause(): void;
  /** Reads again after `pause()`. Delivers no event before it returns. */
  resume(): void;
  /** Ends the outgoing direction (FIN) after everything written. Reading continues. */
  end(): void;
  /** Closes the channel, and discards unsent data. Of the events, only `receiveClosed()` follows. */
  abort(): void;
}

/** The address to listen on. */
export type ListenTarget =
  | {
    /** The address to bind to. */
    hostname: string;
    /** The port to bind to; 0 picks a free one. */
    port: number;
  }
  | {
    /** The path of a Unix domain socket. */
    path: string;
  };

/** A certificate and its key, PEM encoded. */
export interface TlsCertificate {
  /** The certificate chain, PEM encoded, the server's own certificate first. */
  cert: string;
  /** The private key, PEM encoded. */
  key: string;
}

/** A socket that accepts channels. */
export interface ByteListener {
  /** The bound address, with the actual port if 0 was given. */
  readonly addr: Address;
  /** Keeps the process alive while listening (the default). */
  ref(): void;
  /** Lets the process exit while listening. */
  unref(): void;
  /**
   * Calls back when all bytes that have arrived at any channel by now have been delivered, so that responses
   * to several of them can be sent together. Not set if a microtask has the same effect.
   */
  readonly afterArrivals?: ((callback: () => void) => void) | undefined;
  /** Stops accepting. Accepted channels stay open. */
  close(): Promise<void>;
}

/** Takes an accepted channel, and sets {@linkcode ByteChannel.handler} before it returns. */
export type OnChannel = (channel: ByteChannel) => void;

/**
 * Called when the TLS handshake of a connection begins, so that it can be counted. `abort` closes the connection, if
 * others need its slot. Returns a function to be called when the handshake ends, before `onChannel`; `undefined` if
 * no slot is free, so that the connection is to be closed.
 */
export type OnTlsHandshake = (remote: Address, abort: () => void) => (() => void) | undefined;

/**
 * Listens, and calls `onChannel` for each accepted channel. For TLS, it calls `onTlsHandshake` before that;
 * without `onTlsHandshake`, any number of TLS handshakes may be in progress.
 *
 * @throws {ListenError} If the address is in use, not available or not permitted, or the certificate or its
 * key can't be used.
 */
export type Listen = (
  target: ListenTarget,
  tls: TlsCertificate | undefined,
  onChannel: OnChannel,
  onTlsHandshake?: OnTlsHandshake,
) => Promise<ByteListener>;

/** The address to connect to; `hostname` is a host name, or an IP address without brackets. */
export type DialTarget = ListenTarget;

/** Options of a TLS client: how it verifies the server, and its own certificate. */
export interface TlsClientOptions {
  /**
   * The name that is sent to the server (SNI, RFC 6066, section 3), and that its certificate must match.
   *
   * @default the host name of the URL; an IP address is not sent
   */
  serverName?: string | undefined;
  /**
   * The certificates to trust, PEM encoded.
   *
   * @default the certificate authorities that the runtime trusts
   */
  ca?: string | string[] | undefined;
  /** The client's own certificate chain, PEM encoded; needs `key`. */
  cert?: string | undefined;
  /** The private key of `cert`, PEM encoded. */
  key?: string | undefined;
  /**
   * Whether the server's certificate must be trusted, and match its name. With `false`, anyone between client
   * and server can read and change all data.
   *
   * @default true
   */
  rejectUnauthorized?: boolean | undefined;
}

/** Opens channels to servers. */
export interface Dialer {
  /** Gives the value of an environment variable. Not set if there is no environment. */
  readonly readEnvironment?: ((name: string) => string | undefined) | undefined;
  /**
   * Connects; `handler` handles the channel from its first event on.
   *
   * @throws {ConnectError} If no server can be reached at `target`.
   * @throws The reason of `signal`, once it aborts, which closes the sockets of the attempt.
   */
  dial(
    target: DialTarget,
    handler: ByteChannelHandler,
    signal: AbortSignal,
  ): Promise<ByteChannel>;
  /**
   * Begins TLS over a channel, which is not paused, has brought no bytes of TLS, and belongs to the returned one from
   * now on: also on an error it is aborted. The certificate must match `hostname`, a host name or IP address.
   *
   * @throws {ConnectError} If the server's certificate is not trusted, or the TLS handshake fails.
   * @throws The reason of `signal`, once it aborts.
   */
  startTls(
    channel: ByteChannel,
    hostname: string,
    tls: TlsClientOptions,
    handler: ByteChannelHandler,
    signal: AbortSignal,
  ): Promise<ByteChannel>;
}
