import type { Address, OnTlsHandshake } from "../../transport/byte_channel.ts";
import { systemClock } from "../../transport/clock.ts";

export const tlsHandshakeTimeoutMs = 10_000;

interface Handshake {
  timer: unknown;
  /** Frees its slot. */
  leave: () => void;
}

/** The sockets of a listener whose TLS handshake is in progress. */
export class TlsHandshakes<Socket> {
  readonly #closeSocket: (socket: Socket) => void;
  readonly #onStart: OnTlsHandshake;
  readonly #handshakes = new Map<Socket, Handshake>();

  /** @param onStart Reserves a slot for a handshake. By default, there is no limit. */
  constructor(closeSocket: (socket: Socket) => void, onStart: OnTlsHandshake = () => () => {}) {
    this.#closeSocket = closeSocket;
    this.#onStart = onStart;
  }

  /** Adds a socket. Closes it if no slot is free, or its handshake does not finish in time. */
  start(socket: Socket, remote: Address): void {
    const leave = this.#onStart(remote, () => this.#close(socket));
    if (leave === undefined) return this.#closeSocket(socket);
    const timer = systemClock.setTimeout(() => this.#close(socket), tlsHandshakeTimeoutMs);
    this.#handshakes.set(socket, { timer, leave });
  }

  /** @returns Whether it was there; `false` if it has been closed already. */
  finish(socket: Socket): boolean {
    const handshake = this.#handshakes.get(socket);
    if (handshake === undefined) return false;
    this.#handshakes.delete(socket);
    systemClock.clearTimeout(handshake.timer);
    handshake.leave();
    return true;
  }

  closeAll(): void {
    for (const socket of this.#handshakes.keys()) this.#close(socket);
  }

  #close(socket: Socket): void {
    if (this.finish(socket)) this.#closeSocket(socket);
  }
}
