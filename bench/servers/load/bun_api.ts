/**
 * The part of Bun's API that the load generator uses, so that it type-checks without Bun's types.
 *
 * @module
 */

/** A socket of Bun. */
export interface BunClientSocket<Data> {
  /** What goes with the socket. */
  data: Data;
  /** Writes what the kernel takes, and returns how much; -1 where the socket is gone. */
  write(bytes: Uint8Array): number;
  /** Resets the connection. */
  terminate(): void;
  /** Turns Nagle's algorithm off. */
  setNoDelay(on: boolean): void;
}

/** The handlers of all sockets. */
export interface BunClientHandler<Data> {
  /** The type of the bytes given to `data`. */
  binaryType: "uint8array";
  open(socket: BunClientSocket<Data>): void;
  data(socket: BunClientSocket<Data>, bytes: Uint8Array): void;
  drain(socket: BunClientSocket<Data>): void;
  end(socket: BunClientSocket<Data>): void;
  close(socket: BunClientSocket<Data>): void;
  connectError(socket: BunClientSocket<Data>, error: Error): void;
  /** An exception that a handler threw, or one of the socket. */
  error(socket: BunClientSocket<Data>, error: Error): void;
}

interface BunApi {
  connect<Data>(options: {
    hostname: string;
    port: number;
    data: Data;
    socket: BunClientHandler<Data>;
  }): Promise<BunClientSocket<Data>>;
}

/** The global `Bun`. */
export const Bun: BunApi = (globalThis as unknown as { Bun: BunApi }).Bun;
