/**
 * One connection of the load generator.
 *
 * @module
 */

import { Bun, type BunClientHandler, type BunClientSocket } from "./bun_api.ts";
import { ClosedByServerError, type ReplyReader } from "./reply_reader.ts";

const decoder = new TextDecoder();

const REQUEST: Uint8Array<ArrayBuffer> = new TextEncoder().encode(
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
);
/** What belongs to the key above (RFC 6455, section 1.3). */
const ACCEPT = /\r\nsec-websocket-accept: *s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i;

/** Where the connections of one workload go, and what they send. */
export interface Target {
  port: number;
  /** The server sends back what it gets, the request of the handshake too. */
  raw: boolean;
  /** The frame that each message is, any number of times. */
  frames: Uint8Array;
  /** The length of one of them. */
  frameSize: number;
  createReader(): ReplyReader;
}

/** The handlers of all connections, made below, where the private parts are in reach. */
let handler: BunClientHandler<LoadConnection>;

/** A connection that sends the same message over and over, and counts the replies. */
export class LoadConnection {
  readonly #target: Target;
  readonly #reader: ReplyReader;
  readonly #opened: PromiseWithResolvers<this> = Promise.withResolvers<this>();
  #socket: BunClientSocket<LoadConnection> | undefined;
  #head = "";
  #isOpen = false;
  #isEnded = false;
  /** How many bytes are still to be sent, and where in a frame they begin. */
  #unsent = 0;
  #position = 0;
  /** Called with how many replies have ended in what just arrived. */
  receiveReplies: (count: number) => void = () => {};
  /** Called where the connection is lost, or the server breaks the rules. */
  receiveError: (error: Error) => void;

  private constructor(target: Target) {
    this.#target = target;
    this.#reader = target.createReader();
    this.receiveError = (error) => this.#opened.reject(error);
  }

  /** Connects, and plays the opening handshake. */
  static open(target: Target): Promise<LoadConnection> {
    const connection = new LoadConnection(target);
    Bun.connect({ hostname: "127.0.0.1", port: target.port, data: connection, socket: handler })
      .catch((error) => connection.#opened.reject(error));
    return connection.#opened.promise;
  }

  /** Sends the message `count` times. */
  send(count: number): void {
    this.#unsent += count * this.#target.frameSize;
    if (this.#unsent === count * this.#target.frameSize) this.#flush();
  }

  /** Resets the connection. */
  abort(): void {
    this.#isEnded = true;
    this.#socket?.terminate();
  }

  #flush(): void {
    const { frames, frameSize } = this.#target;
    while (this.#unsent > 0) {
      const end = Math.min(this.#position + this.#unsent, frames.length);
      const whole = this.#position === 0 && end === frames.length;
      const bytes = whole ? frames : frames.subarray(this.#position, end);
      const written = this.#socket!.write(bytes);
      if (written < 0) return this.#fail(new Error("the connection is lost"));
      this.#unsent -= written;
      this.#position = (this.#position + written) % frameSize;
      // The kernel takes no more now; drain() goes on.
      if (written < bytes.length) return;
    }
  }

  #receive(bytes: Uint8Array): void {
    if (!this.#isOpen) return this.#receiveHead(bytes);
    const count = this.#reader.receive(bytes);
    if (count > 0) this.receiveReplies(count);
  }

  #receiveHead(bytes: Uint8Array): void {
    this.#head += decoder.decode(bytes);
    if (this.#target.raw) {
      if (this.#head.length < REQUEST.length) return;
    } else {
      if (!this.#head.endsWith("\r\n\r\n")) return;
      if (!this.#head.startsWith("HTTP/1.1 101 ") || !ACCEPT.test(this.#head)) {
        throw new Error(`refuses the handshake: ${this.#head.split("\r\n")[0]}`);
      }
    }
    this.#head = "";
    this.#isOpen = true;
    this.#opened.resolve(this);
  }

  #fail(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#opened.reject(error);
    this.receiveError(error);
    this.#socket?.terminate();
  }

  static {
    handler = {
      binaryType: "uint8array",
      open(socket) {
        socket.data.#socket = socket;
        socket.setNoDelay(true);
        socket.write(REQUEST);
      },
      data(socket, bytes) {
        try {
          socket.data.#receive(bytes);
        } catch (error) {
          socket.data.#fail(error as Error);
        }
      },
      drain: (socket) => socket.data.#flush(),
      end: (socket) => socket.data.#fail(new ClosedByServerError("ends the connection")),
      close: (socket) => socket.data.#fail(new ClosedByServerError("closes the connection")),
      connectError: (socket, error) => socket.data.#fail(error),
      error: (socket, error) => socket.data.#fail(error),
    };
  }
}
