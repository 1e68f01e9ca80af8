/**
 * What TLS handshakes have in common on every runtime.
 *
 * @module
 */

/** How long a peer may take for its TLS handshake before it is dropped. */
export const tlsHandshakeTimeoutMs = 10_000;

/** The sockets of a listener whose TLS handshake is under way. */
export class TlsHandshakes<Socket> {
  readonly #drop: (socket: Socket) => void;
  readonly #timers = new Map<Socket, ReturnType<typeof setTimeout>>();

  /**
   * Creates an empty set.
   *
   * @param drop Closes a socket.
   */
  constructor(drop: (socket: Socket) => void) {
    this.#drop = drop;
  }

  /** Adds a socket, which is dropped if it does not finish in time. */
  start(socket: Socket): void {
    this.#timers.set(
      socket,
      setTimeout(() => {
        this.#timers.delete(socket);
        this.#drop(socket);
      }, tlsHandshakeTimeoutMs),
    );
  }

  /**
   * Removes a socket that finished, or failed.
   *
   * @returns Whether it was there: `false` where it was dropped before.
   */
  finish(socket: Socket): boolean {
    clearTimeout(this.#timers.get(socket));
    return this.#timers.delete(socket);
  }

  /** Drops all sockets. */
  dropAll(): void {
    for (const [socket, timer] of this.#timers) {
      clearTimeout(timer);
      this.#timers.delete(socket);
      this.#drop(socket);
    }
  }
}
