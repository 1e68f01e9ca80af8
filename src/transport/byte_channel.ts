/**
 * The seam between Sluice and a runtime: a duplex channel of bytes with backpressure both ways.
 * An adapter gives one of these for each accepted socket; everything above it is portable.
 *
 * @module
 */

/** One end of a channel. */
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
    /** A pair of byte streams, of which no address is known. */
    transport: "stream";
  };

/** Takes the events of a {@linkcode ByteChannel}. */
export interface ByteChannelHandler {
  /**
   * Takes bytes that arrived. The callee may overwrite them (payloads are unmasked in place).
   *
   * @param lent Whether their memory is used again after the call, so that nobody may keep a
   * reference to it. Otherwise it is the callee's.
   */
  receive(bytes: Uint8Array, lent: boolean): void;
  /** The peer ended its direction (FIN): no more bytes will come. The other direction is still open. */
  receiveEnd(): void;
  /** The write that returned `false` has been taken whole, with all before it; the next is welcome. */
  drain(): void;
  /**
   * The channel is gone, both ways. Called exactly once, as the last event. `error` is undefined
   * where both directions ended in order, or `abort()` was called.
   */
  receiveClosed(error?: unknown): void;
}

/** A duplex channel of bytes: a socket, without the runtime it belongs to. */
export interface ByteChannel {
  /** Where events go. May be replaced at any time: the handshake hands over to the connection. */
  handler: ByteChannelHandler;
  /** The peer's address. */
  readonly remoteAddress: Address;
  /** The local address. */
  readonly localAddress: Address;
  /**
   * Writes the chunks, in order. They don't change until they are taken, and the channel changes
   * nothing either: others may write the same.
   *
   * @returns `true` where they have been taken: their memory may change, nothing of them is held in this
   * process, and the next write is welcome at once. `false` where the caller must wait for `drain()`.
   * Never called between a `false` and its `drain()`.
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Stops reading, so that the peer's TCP is slowed. Takes effect at once, also within `receive()`. */
  pause(): void;
  /** Reads on after `pause()`. Never delivers before it returns. */
  resume(): void;
  /** Ends the outgoing direction (FIN) once everything written is on its way. Reading goes on. */
  end(): void;
  /** Drops the channel and everything not yet sent. Only `receiveClosed()` is still called. */
  abort(): void;
}

/** Where to listen. */
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
  /** The address bound to; the port is the real one where 0 was asked for. */
  readonly addr: Address;
  /** Keeps the process alive while listening (the default). */
  ref(): void;
  /** Lets the process end while listening. */
  unref(): void;
  /**
   * Calls back when what has arrived at all channels by now has been delivered: what is sent in
   * answer to several of them can then be sent together. Not set where a microtask does as well.
   */
  readonly afterArrivals?: ((callback: () => void) => void) | undefined;
  /** Stops accepting. Channels already handed out live on. */
  close(): Promise<void>;
}

/**
 * Counts a connection that is no channel yet, since its TLS handshake is under way.
 *
 * @param remote The peer's address.
 * @param drop Closes the connection. Called where others need its place.
 * @returns What is to be called once it ends or becomes a channel, before `onChannel`; `undefined`
 * where there is no place for it, and it is to be closed.
 */
export type OnTlsHandshake = (remote: Address, drop: () => void) => (() => void) | undefined;

/**
 * Listens, and calls `onChannel` for each accepted channel. The callee sets
 * {@linkcode ByteChannel.handler} before it returns. `onTlsHandshake` is called before that for each
 * connection whose TLS handshake begins; by default there may be any number of them.
 *
 * @throws {ListenError} Where the address is taken, not available or not permitted, or the
 * certificate or its key can't be used.
 */
export type Listen = (
  target: ListenTarget,
  tls: TlsCertificate | undefined,
  onChannel: (channel: ByteChannel) => void,
  onTlsHandshake?: OnTlsHandshake,
) => Promise<ByteListener>;

/** Where to connect to. */
export type DialTarget =
  | {
    /** A host name, or an IP address without brackets. */
    hostname: string;
    /** The port: 0 to 65535. */
    port: number;
  }
  | {
    /** The path of a Unix domain socket. */
    path: string;
  };

/** How a TLS client checks its server, and proves who it is itself. */
export interface TlsClientOptions {
  /**
   * The name to ask the server for (SNI, RFC 6066, section 3), and that its certificate must be for.
   *
   * @default the host name of the URL; no name is asked for where that is an IP address
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
   * Whether the server's certificate must be trusted, and be for its name. Without that, anybody on
   * the way can read and change everything.
   *
   * @default true
   */
  rejectUnauthorized?: boolean | undefined;
}

/** What connects. */
export interface Dialer {
  /** Gives the value of an environment variable, where the runtime has an environment. */
  readonly readEnvironment?: ((name: string) => string | undefined) | undefined;
  /**
   * Connects.
   *
   * @param handler Takes the channel's events, from the first one on.
   * @param signal Gives up: no socket is left then.
   * @throws {ConnectError} Where nobody can be reached at `target`.
   * @throws The reason of `signal`, once it aborts.
   */
  dial(
    target: DialTarget,
    handler: ByteChannelHandler,
    signal: AbortSignal,
  ): Promise<ByteChannel>;
  /**
   * Begins TLS over a channel, which is taken over: its handler is replaced, and it ends with what
   * stands on it. Nothing may have been received from it yet that belongs to TLS.
   *
   * @param channel The channel, not paused. It is aborted where this fails.
   * @param hostname The host name or IP address that the certificate must be for.
   * @param handler Takes the events of the returned channel, from the first one on.
   * @param signal Gives up: no socket is left then.
   * @throws {ConnectError} Where the server's certificate is not trusted, or the TLS handshake fails.
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
