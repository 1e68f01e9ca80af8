import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { RawSocket, RawSocketHandler } from "./raw_socket.ts";

/** A connection of `node:net`, over TLS if need be, which all runtimes have. */
export class NetSocket implements RawSocket {
  #handler!: RawSocketHandler;
  readonly #socket: Socket;
  /** Whether it is bare TCP, which can be reset. */
  readonly #isTcp: boolean;
  hasEnded = false;
  #error: unknown;

  private constructor(socket: Socket, isTcp: boolean) {
    this.#socket = socket;
    this.#isTcp = isTcp;
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
    const options = { host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true };
    return NetSocket.#connected(connect(options), "connect");
  }

  /** Connects to a path of the file system. The handler is to be set at once. */
  static connectUnix(path: string): Promise<NetSocket> {
    return NetSocket.#connected(connect({ path, allowHalfOpen: true }), "connect");
  }

  /** Connects to a port of this machine over TLS. The handler is to be set at once. */
  static connectTls(port: number, ca: string): Promise<NetSocket> {
    const socket = connectTls({ host: "127.0.0.1", port, ca });
    socket.setNoDelay(true);
    socket.allowHalfOpen = true;
    return NetSocket.#connected(socket, "secureConnect");
  }

  static #connected(socket: Socket, event: "connect" | "secureConnect"): Promise<NetSocket> {
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once(event, () => {
        socket.off("error", reject);
        resolve(new NetSocket(socket, event === "connect" && socket.remoteAddress !== undefined));
      });
    });
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends bytes; resolves when the kernel has taken them, rejects if the connection is gone. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("The connection was closed"));
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  /** The port at this end. */
  get port(): number {
    return this.#socket.localPort!;
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
    const isEnding = this.#socket.writableEnded && !this.#socket.writableFinished;
    // What can't be reset is closed without a word. Node does not reset a socket that is ending either.
    if (this.#isTcp && !isEnding) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
