/**
 * What TLS handshakes have in common on every runtime.
 *
 * @module
 */

import type { Address, OnTlsHandshake } from "../../transport/byte_channel.ts";
import { systemClock } from "../../transport/clock.ts";

/** How long a peer may take for its TLS handshake before it is dropped. */
export const tlsHandshakeTimeoutMs = 10_000;

/** A TLS handshake under way. */
interface Handshake {
  timer: unknown;
  /** Gives its place back. */
  leave: () => void;
}

/** The sockets of a listener whose TLS handshake is under way. */
export class TlsHandshakes<Socket> {
  readonly #drop: (socket: Socket) => void;
  readonly #onStart: OnTlsHandshake;
  readonly #handshakes = new Map<Socket, Handshake>();

  /**
   * Creates an empty set.
   *
   * @param drop Closes a socket.
   * @param onStart Has a place for each of them, or none. By default there is one for all.
   */
  constructor(drop: (socket: Socket) => void, onStart: OnTlsHandshake = () => () => {}) {
    this.#drop = drop;
    this.#onStart = onStart;
  }

  /** Adds a socket, which is dropped if it does not finish in time, or there is no place for it. */
  start(socket: Socket, remote: Address): void {
    const leave = this.#onStart(remote, () => this.#dropNow(socket));
    if (leave === undefined) {
      this.#drop(socket);
      return;
    }
    const timer = systemClock.setTimeout(() => this.#dropNow(socket), tlsHandshakeTimeoutMs);
    this.#handshakes.set(socket, { timer, leave });
  }

  /**
   * Removes a socket that finished, or failed.
   *
   * @returns Whether it was there: `false` where it was dropped before.
   */
  finish(socket: Socket): boolean {
    const handshake = this.#handshakes.get(socket);
    if (handshake === undefined) return false;
    this.#handshakes.delete(socket);
    systemClock.clearTimeout(handshake.timer);
    handshake.leave();
    return true;
  }

  /** Drops all sockets. */
  dropAll(): void {
    for (const socket of this.#handshakes.keys()) this.#dropNow(socket);
  }

  #dropNow(socket: Socket): void {
    if (this.finish(socket)) this.#drop(socket);
  }
}
