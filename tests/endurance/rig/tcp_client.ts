/**
 * A WebSocket client as plain as can be: the test says what goes over TCP, and when.
 *
 * @module
 */

import { connect, type Socket } from "node:net";

const REQUEST_END = "\r\n\r\n";

/** The bytes of an opening handshake. */
export const REQUEST: Uint8Array = new TextEncoder().encode(
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==${REQUEST_END}`,
);

/** A TCP connection. */
export class TcpClient {
  /** The bytes that the kernel has taken. */
  acceptedSize = 0;
  /** The head of the response, as far as it has arrived. */
  responseHead = "";
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #onBytes: (bytes: Uint8Array) => void;
  readonly #opened = Promise.withResolvers<void>();
  #isClosed = false;

  /**
   * Connects.
   *
   * @param onBytes Takes what arrives behind the response of the opening handshake.
   */
  static async connect(
    port: number,
    onBytes: (bytes: Uint8Array) => void = () => {},
  ): Promise<TcpClient> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host: "127.0.0.1", port, noDelay: true }, resolve);
    socket.once("error", reject);
    const client = new TcpClient(socket, onBytes);
    await promise;
    return client;
  }

  /** Connects, and makes the opening handshake. */
  static async open(port: number, onBytes?: (bytes: Uint8Array) => void): Promise<TcpClient> {
    const client = await TcpClient.connect(port, onBytes);
    await client.write(REQUEST);
    await client.opened;
    return client;
  }

  private constructor(socket: Socket, onBytes: (bytes: Uint8Array) => void) {
    this.#socket = socket;
    this.#onBytes = onBytes;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    // Nobody may be waiting.
    this.#opened.promise.catch(() => {});
    socket.on("data", (bytes: Uint8Array) => this.#receive(bytes));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isClosed = true;
      this.#opened.reject(new Error("The connection was closed"));
      resolve();
    });
  }

  /** The port at this end. */
  get port(): number {
    return this.#socket.localPort!;
  }

  /** Resolves when the response of the opening handshake has arrived. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when the kernel has taken the bytes; rejects where the connection is gone. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new Error("The connection was closed");
      this.#socket.write(bytes, (error) => {
        if (error) return reject(error);
        this.acceptedSize += bytes.length;
        resolve();
      });
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #receive(bytes: Uint8Array): void {
    if (this.responseHead.endsWith(REQUEST_END)) return this.#onBytes(bytes);
    const text = this.responseHead + new TextDecoder("latin1").decode(bytes);
    const end = text.indexOf(REQUEST_END);
    if (end < 0) {
      this.responseHead = text;
      return;
    }
    const rest = text.length - end - REQUEST_END.length;
    this.responseHead = text.slice(0, end + REQUEST_END.length);
    this.#opened.resolve();
    if (rest > 0) this.#onBytes(bytes.subarray(bytes.length - rest));
  }
}
