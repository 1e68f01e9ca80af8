/**
 * A byte channel over a socket of `node:net` or `node:tls`.
 *
 * @module
 */

import type { Socket } from "node:net";
import { setImmediate } from "../../timers.ts";
import type { Address } from "../../transport/byte_channel.ts";
import { lostError, OrderedChannel } from "../../transport/ordered_channel.ts";
import "../shared/native.ts";
import { shareInput } from "./shared_input.ts";
import "./young_collections.ts";

// Up to this size, one copy that the receiver owns costs less than borrowed bytes, of which each message would
// be copied.
const MAX_COPIED = 8192;

/** The property by which the listeners, which all sockets share, find the channel of a socket. */
const channelOf = Symbol("channel");

const EMPTY = new Uint8Array(0);

interface ChannelSocket extends Socket {
  /**
   * Not set once it is closed: Node holds some sockets for a while, and is not to hold a whole connection with
   * them, which costs V8 more than the rest of an end.
   */
  [channelOf]: NodeChannel | undefined;
}

/** A byte channel over a socket of Node. */
export class NodeChannel extends OrderedChannel {
  readonly #socket: Socket;
  readonly #isBareTcp: boolean;
  #onTaken: ((error?: Error | null) => void) | undefined;
  /**
   * The number of writes whose callback is pending. Node calls it on a later tick even if the kernel took the
   * bytes at once, so that the callback of an earlier write may come after a later `write()`.
   */
  #untaken = 0;
  #waitsForDrain = false;
  #released = false;
  #error: unknown;

  /**
   * Takes over a connected socket.
   *
   * @param socket The socket, with half-open connections allowed, and without listeners.
   * @param isBareTcp Whether it is TCP without TLS, which can be reset.
   * @param remoteAddress The peer's address, which a closed socket does not have.
   * @param localAddress The local address.
   */
  constructor(socket: Socket, isBareTcp: boolean, remoteAddress: Address, localAddress: Address) {
    super(remoteAddress, localAddress);
    this.#socket = socket;
    this.#isBareTcp = isBareTcp;
    (socket as ChannelSocket)[channelOf] = this;
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
    if ("Bun" in globalThis) reportDestroy(socket);
  }

  /** Writes the chunks. Returns `true` if the kernel took all of them at once. */
  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    // Empty chunks are skipped: a TLS socket of Deno may never call back for one.
    let last = chunks.length - 1;
    while (last >= 0 && chunks[last]!.length === 0) last--;
    if (last < 0) return true;
    if (last > 0) {
      // One writev for all of them.
      socket.cork();
      for (let i = 0; i < last; i++) if (chunks[i]!.length > 0) socket.write(chunks[i]!);
    }
    // A callback costs a tick, which bare TCP needs only if the kernel has not taken all.
    if (this.#isBareTcp) socket.write(chunks[last]!);
    else this.#writeAndTell(chunks[last]!);
    if (last > 0) socket.uncork();
    // If the kernel took the bytes at once, `writableLength` is 0. It is also 0 if the write failed. Then the
    // socket is not writable, and `false` makes the caller wait for the close on a later turn.
    if (socket.writableLength === 0 && socket.writable) return true;
    this.#waitsForDrain = true;
    // Called back behind all that was written before.
    if (this.#isBareTcp && socket.writable) this.#writeAndTell(EMPTY);
    return false;
  }

  /** Writes with a callback, since the event "drain" is emitted only above the high-water mark. */
  #writeAndTell(chunk: Uint8Array): void {
    this.#untaken++;
    this.#socket.write(
      chunk,
      this.#onTaken ??= (error) => {
        this.#untaken--;
        if (error || this.#untaken > 0 || !this.#waitsForDrain) return;
        this.#waitsForDrain = false;
        this.arriveDrain();
      },
    );
  }

  /** Ends the outgoing direction: Node sends its buffer, and then FIN. */
  end(): void {
    this.#socket.end();
  }

  /** Detaches the socket, and returns it. The handler gets no more events. */
  release(): Socket {
    this.#released = true;
    const socket = this.#socket;
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("error", onError);
    socket.off("close", onClose);
    return socket;
  }

  /** Has the socket, which was not read from yet, read into a buffer that it shares with others. */
  shareInput(): void {
    shareInput(this.#socket, (size, input) => {
      if (size <= MAX_COPIED || this.paused) this.arrive(input.slice(0, size), false);
      else this.arrive(input.subarray(0, size), true);
    });
  }

  /** Bytes arrived, in memory of their own. */
  receiveData(bytes: Uint8Array): void {
    // A plain Uint8Array, as on every runtime: slice() of a Buffer does not copy.
    this.arrive(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), false);
  }

  /** The peer sent FIN. */
  receiveEnd(): void {
    this.arriveEnd();
  }

  /** The socket failed. */
  receiveError(error: unknown): void {
    this.#error ??= error;
    // A TLS error does not close the socket.
    this.#socket.destroy();
  }

  /** The socket is closed. Node closes it once both directions have ended. */
  receiveClose(): void {
    if (this.#released) return;
    (this.#socket as ChannelSocket)[channelOf] = undefined;
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
    // While FIN is being sent, libuv refuses to reset, and Node then never closes the descriptor.
    const isEnding = writableEnded && !writableFinished && writableLength === 0;
    // Resetting the TCP socket below TLS crashes Node if a write is in flight.
    if (this.#isBareTcp && !isEnding) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }
}

/**
 * Reports to the channel that its socket was destroyed. Bun emits "close" by the global `setImmediate`, which
 * programs may replace by fake timers.
 */
function reportDestroy(socket: Socket): void {
  const { _destroy: destroy } = socket;
  socket._destroy = function (this: ChannelSocket, error, callback) {
    destroy.call(this, error, callback);
    // As late as "close", so that the stream's other events, such as "error", come first.
    setImmediate(() => this[channelOf]?.receiveClose());
  };
}

function onData(this: ChannelSocket, bytes: Uint8Array): void {
  this[channelOf]?.receiveData(bytes);
}

function onEnd(this: ChannelSocket): void {
  this[channelOf]?.receiveEnd();
}

function onError(this: ChannelSocket, error: unknown): void {
  this[channelOf]?.receiveError(error);
}

function onClose(this: ChannelSocket): void {
  this[channelOf]?.receiveClose();
}
