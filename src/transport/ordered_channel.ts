/**
 * The rules of {@linkcode ByteChannel} on the order of events, kept once for all kinds of sockets.
 *
 * @module
 */

import type { Address, ByteChannel, ByteChannelHandler } from "./byte_channel.ts";
import { queueMicrotask } from "../timers.ts";

/**
 * A byte channel without its socket. A subclass tells what the socket does, whenever it does it;
 * this class holds it back while paused, delivers in order, and nothing after the end.
 */
export abstract class OrderedChannel implements ByteChannel {
  /** Where events go. */
  handler!: ByteChannelHandler;
  /** The peer's address. */
  readonly remoteAddress: Address;
  /** The local address. */
  readonly localAddress: Address;
  #paused = false;
  /** What arrived while paused, in spite of it: a read was under way. */
  #held: Uint8Array[] = nothing;
  #endHeld = false;
  /** The socket is closed; `receiveClosed()` may have to wait for what is held. */
  #gone = false;
  /** `receiveClosed()` was called, or is about to be after `abort()`: nothing else is delivered. */
  #over = false;

  /**
   * Creates a channel that reads at once.
   *
   * @param remoteAddress The peer's address.
   * @param localAddress The local address.
   */
  constructor(remoteAddress: Address, localAddress: Address) {
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
  }

  /** Writes the chunks, in order. */
  abstract write(chunks: readonly Uint8Array[]): boolean;
  /** Ends the outgoing direction once everything written is on its way. */
  abstract end(): void;
  /** Stops reading from the socket. */
  protected abstract stopReading(): void;
  /** Reads on, unless it does; tells of what is there only after it has returned. */
  protected abstract startReading(): void;
  /** Closes the socket, and drops what was not sent. */
  protected abstract destroy(): void;

  /** Stops reading. */
  pause(): void {
    if (this.#paused || this.#over) return;
    this.#paused = true;
    if (!this.#gone) this.stopReading();
  }

  /** Reads on, first what was held. */
  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    if (this.holds) queueMicrotask(() => this.#release());
    else this.startReading();
  }

  /** Drops the channel. */
  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#held = nothing;
    this.destroy();
    queueMicrotask(() => this.handler.receiveClosed());
  }

  /** Whether `receiveClosed()` was called, or is about to be after `abort()`. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether reading is stopped. */
  protected get paused(): boolean {
    return this.#paused;
  }

  /** Whether something arrived while paused, and waits for `resume()`. */
  protected get holds(): boolean {
    return this.#endHeld || this.#held.length > 0;
  }

  /**
   * Tells of bytes. Nothing may arrive between `resume()` and `startReading()`.
   *
   * @param lent Whether their memory is used again after the call. While paused it must not be:
   * what arrives then is held.
   */
  protected arrive(bytes: Uint8Array, lent: boolean): void {
    if (this.#over) return;
    if (!this.#paused) this.handler.receive(bytes, lent);
    else if (this.#held === nothing) this.#held = [bytes];
    else this.#held.push(bytes);
  }

  /** Tells of the peer's FIN. */
  protected arriveEnd(): void {
    if (this.#paused) this.#endHeld = true;
    else if (!this.#over) this.handler.receiveEnd();
  }

  /** Tells that the write which returned `false` was taken. */
  protected arriveDrain(): void {
    if (!this.#over) this.handler.drain();
  }

  /**
   * Tells that the socket is closed. Not to be called while the handler, or a method of this
   * class, is on the stack.
   *
   * @param error Why, where it was not in order.
   */
  protected arriveClosed(error?: unknown): void {
    if (this.#over || this.#gone) return;
    this.#gone = true;
    if (error !== undefined || !this.holds) this.#close(error);
  }

  #release(): void {
    while (this.#held.length > 0) {
      if (this.#paused || this.#over) return;
      this.handler.receive(this.#held.shift()!, false);
    }
    if (this.#paused || this.#over) return;
    if (this.#endHeld) {
      this.#endHeld = false;
      this.handler.receiveEnd();
    }
    if (this.#over) return;
    if (this.#gone) this.#close();
    else if (!this.#paused) this.startReading();
  }

  #close(error?: unknown): void {
    this.#over = true;
    this.#held = nothing;
    this.handler.receiveClosed(error);
  }
}

/** What channels hold that hold nothing. */
const nothing: Uint8Array[] = [];
