import { connect, type Socket } from "node:net";
import type { RawSocket, RawSocketHandler } from "./raw_socket.ts";

/** A TCP connection of `node:net`, which all runtimes have. */
export class NetSocket implements RawSocket {
  #handler!: RawSocketHandler;
  readonly #socket: Socket;
  hasEnded = false;
  #error: unknown;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // Bytes are not read before there is a handler: reading begins with the first listener.
    socket.on("end", () => this.#handler.receiveEnd());
    socket.on("error", (error: Error) => this.#error = error);
    socket.on("close", () => this.#handler.receiveClosed(this.#error));
  }

  get handler(): RawSocketHandler {
    return this.#handler;
  }

  set handler(handler: RawSocketHandler) {
    const isFirst = this.#handler === undefined;
    this.#handler = handler;
    if (!isFirst) return;
    this.#socket.on("data", (bytes: Uint8Array) => this.#handler.receive(new Uint8Array(bytes)));
  }

  /** Connects to a port of this machine. The handler is to be set at once. */
  static connect(port: number): Promise<NetSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new NetSocket(socket));
      });
    });
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  get unsentSize(): number {
    return this.#socket.writableLength;
  }

  end(): void {
    this.hasEnded = true;
    this.#socket.end();
  }

  reset(): void {
    this.hasEnded = true;
    if (this.#socket.destroyed) return;
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
