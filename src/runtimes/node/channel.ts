/**
 * A byte channel over a socket of `node:net` or `node:tls`.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Address } from "../../transport/byte_channel.ts";
import { lostError, OrderedChannel } from "../../transport/ordered_channel.ts";
import { setImmediate } from "../../timers.ts";

/** How the listeners, which all sockets share, find the channel of a socket. */
const channelOf = Symbol("channel");

interface ChannelSocket extends Socket {
  [channelOf]: NodeChannel;
}

/** A socket of Node as a byte channel. */
export class NodeChannel extends OrderedChannel {
  readonly #socket: Socket;
  readonly #resets: boolean;
  /** Called when Node has taken a write; one for all writes. */
  readonly #onTaken = (error?: Error | null): void => {
    this.#untaken--;
    if (error || this.#untaken > 0 || !this.#waitsForDrain) return;
    this.#waitsForDrain = false;
    this.arriveDrain();
  };
  /**
   * The writes that were not called back for yet. Node calls back on a later tick also for what the
   * kernel took at once, so that the callback of an earlier write may come after a later `write()`.
   */
  #untaken = 0;
  #waitsForDrain = false;
  #released = false;
  #error: unknown;

  /**
   * Takes over a connected socket.
   *
   * @param socket The socket: half-open allowed, and no listeners yet.
   * @param resets Whether it is bare TCP, which can be reset.
   * @param remoteAddress The peer's address; a closed socket would no longer know it.
   * @param localAddress The local address.
   */
  constructor(socket: Socket, resets: boolean, remoteAddress: Address, localAddress: Address) {
    super(remoteAddress, localAddress);
    this.#socket = socket;
    this.#resets = resets;
    (socket as ChannelSocket)[channelOf] = this;
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
    if ("Bun" in globalThis) tellOfDestroy(socket);
  }

  /** Writes the chunks; `true` where the kernel took all of them at once. */
  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    // Empty chunks are left out: a TLS socket of Deno may never be done with one.
    let last = chunks.length - 1;
    while (last >= 0 && chunks[last]!.length === 0) last--;
    if (last < 0) return true;
    if (last > 0) {
      // One writev for all of them.
      socket.cork();
      for (let i = 0; i < last; i++) if (chunks[i]!.length > 0) socket.write(chunks[i]!);
    }
    // The event "drain" comes only after a high-water mark was passed, the callback always does.
    this.#untaken++;
    socket.write(chunks[last]!, this.#onTaken);
    if (last > 0) socket.uncork();
    // What the kernel took at once no longer counts. Nor does what it refused: the socket is then no
    // longer writable, and is closed on a later turn, which has to come.
    if (socket.writableLength === 0 && socket.writable) return true;
    this.#waitsForDrain = true;
    return false;
  }

  /** Ends the outgoing direction; Node sends what it holds, then FIN. */
  end(): void {
    this.#socket.end();
  }

  /** Gives the socket away, which is no channel any more: its handler hears of nothing. */
  release(): Socket {
    this.#released = true;
    const socket = this.#socket;
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("error", onError);
    socket.off("close", onClose);
    return socket;
  }

  /** Takes bytes from the socket, in memory of their own. */
  receiveData(bytes: Uint8Array): void {
    // A plain Uint8Array, as on every runtime: what slice() of a Buffer returns is not a copy.
    this.arrive(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), false);
  }

  /** Takes the peer's FIN. */
  receiveEnd(): void {
    this.arriveEnd();
  }

  /** Takes an error, and closes the socket. */
  receiveError(error: unknown): void {
    this.#error ??= error;
    // An error of TLS leaves the socket open.
    this.#socket.destroy();
  }

  /** Takes the end of the socket. Node closes it by itself once both directions have ended. */
  receiveClose(): void {
    if (this.#released) return;
    const { readableEnded, writableFinished } = this.#socket;
    this.arriveClosed(this.#error ?? (readableEnded && writableFinished ? undefined : lostError()));
  }

  protected override stopReading(): void {
    this.#socket.pause();
  }

  protected override startReading(): void {
    this.#socket.resume();
  }

  protected override destroy(): void {
    if (this.#released) return;
    const { writableEnded, writableFinished, writableLength } = this.#socket;
    // While FIN is on its way, libuv refuses to reset, and Node then never closes the descriptor.
    const isEnding = writableEnded && !writableFinished && writableLength === 0;
    // Resetting the TCP socket below TLS would crash Node where a write is under way.
    if (this.#resets && !isEnding) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }
}

/**
 * Tells the channel of a socket that it was destroyed. Bun has the event "close" wait for the global
 * `setImmediate` of that moment, which programs replace while they are tested.
 */
function tellOfDestroy(socket: Socket): void {
  const { _destroy: destroy } = socket;
  socket._destroy = function (this: ChannelSocket, error, callback) {
    destroy.call(this, error, callback);
    // As late as the event: those of the stream, such as "error", come before.
    setImmediate(() => this[channelOf].receiveClose());
  };
}

function onData(this: ChannelSocket, bytes: Uint8Array): void {
  this[channelOf].receiveData(bytes);
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
