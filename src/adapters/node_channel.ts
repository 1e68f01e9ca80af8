/**
 * A {@linkcode ByteChannel} over a socket of `node:net` or `node:tls`.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Address, ByteChannel, ByteChannelHandler } from "../connection/byte_channel.ts";

/** How the listeners, which all sockets share, find the channel of a socket. */
const channelOf = Symbol("channel");

interface ChannelSocket extends Socket {
  [channelOf]: NodeChannel;
}

/** A socket of Node as a byte channel. */
export class NodeChannel implements ByteChannel {
  handler!: ByteChannelHandler;
  readonly remoteAddress: Address;
  readonly localAddress: Address;
  readonly #socket: Socket;
  readonly #raw: Socket;
  /** Called when the runtime has taken a write; one for all writes. */
  readonly #onTaken = (error?: Error | null): void => this.#receiveTaken(error);
  #paused = false;
  #waitsForDrain = false;
  #aborted = false;
  #error: unknown;
  /** The peer's FIN is known, and waits for `resume()`. */
  #endWaits = false;
  /** The socket is closed. */
  #gone = false;
  /** `closed()` was called. */
  #done = false;

  /**
   * Takes over a connected socket.
   *
   * @param socket The socket: half-open allowed, and no listeners yet.
   * @param raw The TCP or Unix socket below TLS, or `socket` itself.
   * @param remoteAddress The peer's address; a closed socket would no longer know it.
   * @param localAddress The local address.
   */
  constructor(socket: Socket, raw: Socket, remoteAddress: Address, localAddress: Address) {
    this.#socket = socket;
    this.#raw = raw;
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    (socket as ChannelSocket)[channelOf] = this;
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
  }

  write(chunks: Uint8Array[]): boolean {
    const socket = this.#socket;
    const last = chunks.length - 1;
    if (last > 0) {
      // One writev for all of them.
      socket.cork();
      for (let i = 0; i < last; i++) socket.write(chunks[i]);
    }
    // The event "drain" comes only after a high-water mark was passed, the callback always does.
    socket.write(chunks[last], this.#onTaken);
    if (last > 0) socket.uncork();
    // What the kernel took at once no longer counts.
    if (socket.writableLength === 0) return true;
    this.#waitsForDrain = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#endWaits) queueMicrotask(() => this.#deliverEnd());
    else this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  abort(): void {
    if (this.#aborted || this.#done) return;
    this.#aborted = true;
    if (this.#gone) {
      queueMicrotask(() => this.#deliverClosed());
      return;
    }
    if (this.remoteAddress.transport === "tcp") this.#raw.resetAndDestroy();
    this.#socket.destroy();
  }

  /** Takes bytes from the socket. */
  receiveData(bytes: Uint8Array): void {
    if (!this.#aborted) this.handler.receive(bytes);
  }

  /** Takes the peer's FIN. */
  receiveEnd(): void {
    // Node tells of the end also while paused, where no bytes are before it.
    this.#endWaits = true;
    this.#deliverEnd();
  }

  /** Takes the reason why the socket is about to close. */
  receiveError(error: unknown): void {
    this.#error ??= error;
  }

  /** Takes the end of the socket. */
  receiveClose(): void {
    this.#gone = true;
    if (this.#endWaits && this.#error === undefined && !this.#aborted) return;
    this.#deliverClosed();
  }

  #receiveTaken(error?: Error | null): void {
    if (error || !this.#waitsForDrain || this.#aborted) return;
    this.#waitsForDrain = false;
    this.handler.drain();
  }

  #deliverEnd(): void {
    if (this.#paused || this.#aborted || this.#done || !this.#endWaits) return;
    this.#endWaits = false;
    this.handler.receiveEnd();
    if (this.#gone) this.#deliverClosed();
  }

  #deliverClosed(): void {
    if (this.#done) return;
    this.#done = true;
    this.handler.closed(this.#aborted ? undefined : this.#error);
  }
}

function onData(this: ChannelSocket, bytes: Uint8Array): void {
  // A plain Uint8Array, as on every runtime: what slice() of a Buffer returns is not a copy.
  this[channelOf].receiveData(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}

function onEnd(this: ChannelSocket): void {
  this[channelOf].receiveEnd();
}

function onError(this: ChannelSocket, error: unknown): void {
  this[channelOf].receiveError(error);
}

function onClose(this: ChannelSocket): void {
  this[channelOf].receiveClose();
}
