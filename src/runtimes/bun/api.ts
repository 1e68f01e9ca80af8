/** The part of Bun's API that the adapter uses, so that the package type-checks without Bun's types. */

import type { SocketAddresses } from "../shared/socket_address.ts";

export interface BunSocket<Data> extends SocketAddresses {
  /** A value of the program's. */
  data: Data;
  /** Writes as many bytes as the kernel takes, and returns their number; -1 if the socket is closed. */
  write(bytes: Uint8Array): number;
  /** Sends FIN. */
  shutdown(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** The handlers of all sockets of one listener. */
export interface BunSocketHandler<Data> {
  binaryType: "uint8array";
  /** A socket connected. Its TLS handshake, if any, follows. */
  open(socket: BunSocket<Data>): void;
  /** The TLS handshake has ended. */
  handshake(socket: BunSocket<Data>, success: boolean): void;
  data(socket: BunSocket<Data>, bytes: Uint8Array): void;
  /** The peer sent FIN. */
  end(socket: BunSocket<Data>): void;
  /** The kernel takes bytes again. */
  drain(socket: BunSocket<Data>): void;
  close(socket: BunSocket<Data>, error?: unknown): void;
}

export interface BunListener {
  readonly port: number;
  stop(): void;
  ref(): void;
  unref(): void;
}

export type BunListenOptions<Data> =
  & ({ hostname: string; port: number } | { unix: string })
  & {
    /** Whether a socket stays open for writing after the peer's FIN. */
    allowHalfOpen: boolean;
    socket: BunSocketHandler<Data>;
    tls?: { cert: string; key: string } | undefined;
  };

export interface BunApi {
  listen<Data>(options: BunListenOptions<Data>): BunListener;
}
