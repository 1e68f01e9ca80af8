/**
 * One connection of the load generator.
 *
 * @module
 */

import { Bun, type BunClientHandler, type BunClientSocket } from "./bun_api.ts";
import { encodeClientFrame } from "./client_frame.ts";
import { checkExtensions, readExtensions } from "./extensions.ts";
import type { Messages } from "./messages.ts";
import { ClosedByServerError, type ReplyReader } from "./reply_reader.ts";

const decoder = new TextDecoder();

/** The answer to a Ping without a payload. */
const PONG = encodeClientFrame(0xa, new Uint8Array(0), 0x37fa213d);

/** Encodes the request of the handshake. */
export function encodeRequest(offer: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
      `${offer === "" ? "" : `Sec-WebSocket-Extensions: ${offer}\r\n`}\r\n`,
  );
}

/** What belongs to the key above (RFC 6455, section 1.3). */
const ACCEPT = /\r\nsec-websocket-accept: *s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i;

/** Where the connections of one workload go, and what they send. */
export interface Target {
  port: number;
  /** The server sends back what it gets, the request of the handshake too. */
  raw: boolean;
  /** The request of the handshake, and what it offers in `Sec-WebSocket-Extensions`. */
  request: Uint8Array;
  offer: string;
  messages: Messages;
  createReader(takePayload?: (bytes: Uint8Array) => void): ReplyReader;
}

/** The handlers of all connections, made below, where the private parts are in reach. */
let handler: BunClientHandler<LoadConnection>;

/** A connection that sends the messages over and over, and counts the replies. */
export class LoadConnection {
  readonly #target: Target;
  readonly #reader: ReplyReader;
  readonly #opened: PromiseWithResolvers<this> = Promise.withResolvers<this>();
  #socket: BunClientSocket<LoadConnection> | undefined;
  #head = "";
  #isOpen = false;
  #isEnded = false;
  /** How many bytes are still to be sent, and where in the frames they begin. */
  #unsent = 0;
  #position: number;
  /** Which message is the next to be sent. */
  #next: number;
  /** Called with how many replies have ended in what just arrived. */
  receiveReplies: (count: number) => void = () => {};
  /** How many Pings were answered. */
  pings = 0;
  /** Called where the connection is lost, or the server breaks the rules. */
  receiveError: (error: Error) => void;

  private constructor(target: Target, first: number) {
    this.#target = target;
    const { frameSizes } = target.messages;
    this.#next = first % frameSizes.length;
    this.#position = frameSizes.slice(0, this.#next).reduce((a, b) => a + b, 0);
    this.#reader = target.createReader();
    this.receiveError = (error) => this.#opened.reject(error);
  }

  /** Connects, and plays the opening handshake. `first` is the message that it begins with. */
  static open(target: Target, first = 0): Promise<LoadConnection> {
    const connection = new LoadConnection(target, first);
    Bun.connect({ hostname: "127.0.0.1", port: target.port, data: connection, socket: handler })
      .catch((error) => connection.#opened.reject(error));
    return connection.#opened.promise;
  }

  /** The length of all payloads that have arrived, as they were on the wire. */
  get payloadSize(): number {
    return this.#reader.payloadSize;
  }

  /** Sends the next `count` messages. */
  send(count: number): void {
    const { frameSizes } = this.#target.messages;
    let size = 0;
    for (let i = 0; i < count; i++) {
      size += frameSizes[this.#next];
      if (++this.#next === frameSizes.length) this.#next = 0;
    }
    this.#unsent += size;
    if (this.#unsent === size) this.#flush();
  }

  /** Resets the connection. */
  abort(): void {
    this.#isEnded = true;
    this.#socket?.terminate();
  }

  #flush(): void {
    const { frames, period } = this.#target.messages;
    while (this.#unsent > 0) {
      const end = Math.min(this.#position + this.#unsent, frames.length);
      const whole = this.#position === 0 && end === frames.length;
      const bytes = whole ? frames : frames.subarray(this.#position, end);
      const written = this.#socket!.write(bytes);
      if (written < 0) return this.#fail(new Error("the connection is lost"));
      this.#unsent -= written;
      this.#position = (this.#position + written) % period;
      // The kernel takes no more now; drain() goes on.
      if (written < bytes.length) return;
    }
  }

  #receive(bytes: Uint8Array): void {
    if (!this.#isOpen) return this.#receiveHead(bytes);
    const count = this.#reader.receive(bytes);
    if (count > 0) this.receiveReplies(count);
    for (let pings = this.#reader.takePings(); pings > 0; pings--) this.#answerPing();
  }

  /** Answers a Ping, unless it is in the middle of a frame: a server knows that it is there. */
  #answerPing(): void {
    if (this.#unsent > 0) return;
    if (this.#socket!.write(PONG) < PONG.length) throw new Error("the server reads nothing");
    this.pings++;
  }

  #receiveHead(bytes: Uint8Array): void {
    this.#head += decoder.decode(bytes);
    if (this.#target.raw) {
      if (this.#head.length < this.#target.request.length) return;
    } else {
      if (!this.#head.endsWith("\r\n\r\n")) return;
      if (!this.#head.startsWith("HTTP/1.1 101 ") || !ACCEPT.test(this.#head)) {
        throw new Error(`refuses the handshake: ${this.#head.split("\r\n")[0]}`);
      }
      checkExtensions(this.#target.offer, readExtensions(this.#head));
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
        socket.write(socket.data.#target.request);
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
