import type { Address, ByteChannel, ByteChannelHandler } from "./byte_channel.ts";
import { queueMicrotask } from "../timers.ts";

/** Creates the error for a channel that closed before both directions had ended. */
export function lostError(): Error {
  return new Error("The connection was lost: it closed before both directions had ended");
}

/**
 * A byte channel without its socket: the rules of {@linkcode ByteChannel} on the order of events. A subclass
 * reports the socket's events at any time. This class holds them while paused, delivers them in order, and delivers
 * nothing after the end.
 */
export abstract class OrderedChannel implements ByteChannel {
  handler!: ByteChannelHandler;
  readonly remoteAddress: Address;
  readonly localAddress: Address;
  /** Whether reading is stopped. */
  protected paused = false;
  /** The chunks that arrived while paused, since a read was in flight. */
  #held: Uint8Array[] = NO_CHUNKS;
  #endHeld = false;
  /** The socket is closed. `receiveClosed()` is called once everything held has been delivered. */
  #socketClosed = false;
  /** Whether `receiveClosed()` was called, or `abort()` has scheduled it: no other event is delivered. */
  over = false;

  /** Creates a channel that is not paused. */
  constructor(remoteAddress: Address, localAddress: Address) {
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
  }

  abstract write(chunks: readonly Uint8Array[]): boolean;
  abstract end(): void;
  /** Stops reading from the socket. */
  protected abstract stopReading(): void;
  /** Reads from the socket again, unless it does. Reports nothing before it has returned. */
  protected abstract startReading(): void;
  /** Closes the socket, and discards unsent data. */
  protected abstract destroy(): void;

  pause(): void {
    if (this.paused || this.over) return;
    this.paused = true;
    if (!this.#socketClosed) this.stopReading();
  }

  resume(): void {
    if (!this.paused || this.over) return;
    this.paused = false;
    if (this.holds) queueMicrotask(() => this.#release());
    else this.startReading();
  }

  abort(): void {
    if (this.over) return;
    this.over = true;
    this.#held = NO_CHUNKS;
    this.destroy();
    queueMicrotask(() => this.handler.receiveClosed());
  }

  /** Whether an event is held until `resume()`. */
  protected get holds(): boolean {
    return this.#endHeld || this.#held.length > 0;
  }

  /** Reports bytes; not between `resume()` and `startReading()`, nor borrowed ones while paused: they are held. */
  protected arrive(bytes: Uint8Array, borrowed: boolean): void {
    if (this.over) return;
    if (!this.paused) this.handler.receive(bytes, borrowed);
    else if (this.#held === NO_CHUNKS) this.#held = [bytes];
    else this.#held.push(bytes);
  }

  /** Reports the peer's FIN. */
  protected arriveEnd(): void {
    if (this.paused) this.#endHeld = true;
    else if (!this.over) this.handler.receiveEnd();
  }

  /** Reports that the write that returned `false` has been taken. */
  protected arriveDrain(): void {
    if (!this.over) this.handler.drain();
  }

  /** Reports that the socket is closed, with the reason if not in order; not while the handler, or a method, runs. */
  protected arriveClosed(error?: unknown): void {
    if (this.over || this.#socketClosed) return;
    this.#socketClosed = true;
    if (error !== undefined || !this.holds) this.#close(error);
  }

  #release(): void {
    while (this.#held.length > 0) {
      if (this.paused || this.over) return;
      this.handler.receive(this.#held.shift()!, false);
    }
    if (this.paused || this.over) return;
    if (this.#endHeld) {
      this.#endHeld = false;
      this.handler.receiveEnd();
    }
    if (this.over) return;
    if (this.#socketClosed) this.#close();
    else if (!this.paused) this.startReading();
  }

  #close(error?: unknown): void {
    this.over = true;
    this.#held = NO_CHUNKS;
    this.handler.receiveClosed(error);
  }
}

/** The held chunks of all channels that hold none. */
const NO_CHUNKS: Uint8Array[] = [];

/** Handles the events of a channel that has no other handler yet, or any more. */
export const IGNORE_EVENTS: ByteChannelHandler = {
  receive() {},
  receiveEnd() {},
  drain() {},
  receiveClosed() {},
};
