/**
 * A byte channel over a socket of `Bun.listen`.
 *
 * @module
 */

import type { Address } from "../../transport/byte_channel.ts";
import { lostError, OrderedChannel } from "../../transport/ordered_channel.ts";
import type { BunSocket } from "./api.ts";
import { queueMicrotask } from "../../timers.ts";

/**
 * Where small chunks are put together. Bun has no gather write; but its write is synchronous and
 * keeps nothing, so that all channels can share this.
 */
const scratch = new Uint8Array(65_536);

// A large chunk costs more to copy than to write by itself. Only its beginning goes with what is
// before it, such as its frame's header, which would be a segment of its own.
const largeSize = 16_384;
const headSize = 4096;

// Bun gives what it reads away. Yet a small message is copied in less time than it takes to make a
// view of a part of it: up to this size, the bytes are said to be lent, so that they are copied.
const lentSize = 4096;

const empty = new Uint8Array(0);

/** A socket of Bun as a byte channel. */
export class BunChannel extends OrderedChannel {
  readonly #socket: BunSocket<unknown>;
  /** What the kernel has not taken yet: Bun does not buffer. */
  #unsent: Uint8Array[] = [];
  #waitsForDrain = false;
  #ending = false;
  #shutDown = false;
  #endSeen = false;

  /**
   * Takes over a connected socket, whose TLS handshake is done.
   *
   * @param socket The socket.
   * @param remoteAddress The peer's address; a closed socket would no longer know it.
   * @param localAddress The local address.
   */
  constructor(socket: BunSocket<unknown>, remoteAddress: Address, localAddress: Address) {
    super(remoteAddress, localAddress);
    this.#socket = socket;
  }

  /** Writes the chunks; `true` where the kernel took all of them at once. */
  write(chunks: readonly Uint8Array[]): boolean {
    if (chunks.length === 1 ? this.#writeOne(chunks[0]!) : this.#writeAll(chunks)) return true;
    this.#waitsForDrain = true;
    return false;
  }

  /** Ends the outgoing direction. Bun would drop what is unsent, so that goes first. */
  end(): void {
    this.#ending = true;
    this.#shutDownOnceSent();
  }

  /** Takes bytes from the socket, in an array of their own. */
  receiveData(bytes: Uint8Array): void {
    this.arrive(bytes, bytes.length <= lentSize);
  }

  /** Takes the peer's FIN. */
  receiveEnd(): void {
    if (this.#endSeen) return;
    this.#endSeen = true;
    this.arriveEnd();
  }

  /** The kernel takes bytes again; Bun says so more often than one has waited for it. */
  receiveDrain(): void {
    if (this.#unsent.length > 0) {
      const chunks = this.#unsent;
      this.#unsent = [];
      if (!this.#writeAll(chunks)) return;
    }
    if (this.#waitsForDrain) {
      this.#waitsForDrain = false;
      this.arriveDrain();
    }
    this.#shutDownOnceSent();
  }

  /** Takes the end of the socket. */
  receiveClose(error: unknown): void {
    if (error === undefined) {
      // After our own FIN, Bun tells of the peer's only by closing the socket.
      if (this.#shutDown) this.receiveEnd();
      else error = lostError();
    }
    this.arriveClosed(error);
  }

  protected override stopReading(): void {
    this.#socket.pause();
  }

  protected override startReading(): void {
    this.#socket.resume();
  }

  protected override destroy(): void {
    this.#unsent = [];
    this.#socket.terminate();
  }

  #shutDownOnceSent(): void {
    if (!this.#ending || this.#shutDown || this.#unsent.length > 0 || this.over) return;
    this.#shutDown = true;
    this.#socket.shutdown();
  }

  /** Writes one chunk, and keeps what the kernel does not take. Returns whether it took all. */
  #writeOne(chunk: Uint8Array): boolean {
    const taken = this.#socket.write(chunk);
    if (taken === chunk.length) return true;
    if (taken < 0) this.#lose();
    this.#unsent.push(taken > 0 ? chunk.subarray(taken) : chunk);
    return false;
  }

  /**
   * The socket is dead. Where a write is the first to meet the peer's reset, and nothing is read, Bun
   * says so by what the write returns, and never again.
   */
  #lose(): void {
    queueMicrotask(() => {
      if (this.over) return;
      this.#socket.terminate();
      this.arriveClosed(lostError());
    });
  }

  /** Writes chunks as one run of bytes, in as few writes as the scratch allows. */
  #writeAll(chunks: readonly Uint8Array[]): boolean {
    const last = chunks.length - 1;
    let filled = 0;
    for (let i = 0; i <= last; i++) {
      let rest = chunks[i]!;
      do {
        let sent: boolean;
        if (filled === 0 && (i === last || rest.length > largeSize)) {
          sent = this.#writeOne(rest);
          rest = empty;
        } else {
          const part = rest.length > largeSize ? headSize : rest.length;
          const size = Math.min(part, scratch.length - filled);
          scratch.set(rest.subarray(0, size), filled);
          rest = rest.subarray(size);
          filled += size;
          if (i < last && rest.length === 0 && filled < scratch.length) break;
          sent = this.#writeScratch(filled);
          filled = 0;
        }
        if (!sent) {
          this.#unsent.push(rest);
          for (i++; i <= last; i++) this.#unsent.push(chunks[i]!);
          return false;
        }
      } while (rest.length > 0);
    }
    return true;
  }

  #writeScratch(size: number): boolean {
    const taken = this.#socket.write(scratch.subarray(0, size));
    if (taken === size) return true;
    if (taken < 0) this.#lose();
    this.#unsent.push(scratch.slice(Math.max(taken, 0), size));
    return false;
  }
}
