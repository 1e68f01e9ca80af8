/**
 * A byte channel over a socket of `Bun.listen`.
 *
 * @module
 */

import { queueMicrotask } from "../../timers.ts";
import type { Address } from "../../transport/byte_channel.ts";
import { lostError, OrderedChannel } from "../../transport/ordered_channel.ts";
import "../shared/native.ts";
import type { BunSocket } from "./api.ts";

/**
 * Small chunks are copied into this buffer and written together, since Bun has no gather write. All channels
 * share it: Bun's write is synchronous, and retains no reference.
 */
const scratch = new Uint8Array(65_536);

// Copying a large chunk costs more than another write. Only its beginning is copied behind the small chunks
// before it, such as its frame's header, which would otherwise be a TCP segment of its own.
const LARGE_SIZE = 16_384;
const HEAD_SIZE = 4096;

// The bytes that Bun reads are the channel's own. But copying a small message is faster than creating a view
// of it: up to this size, the bytes are copied to a buffer of all channels, and passed as borrowed.
const MAX_BORROWED = 4096;
const input = new Uint8Array(new ArrayBuffer(MAX_BORROWED));
/** The beginning of the buffer, in every length that was read. */
const inputs: Uint8Array[] = [];

const EMPTY = new Uint8Array(0);

/** A byte channel over a socket of Bun. */
export class BunChannel extends OrderedChannel {
  readonly #socket: BunSocket<unknown>;
  /** The chunks that the kernel has not taken yet: Bun does not buffer. */
  #unsent: Uint8Array[] = [];
  #waitsForDrain = false;
  #ending = false;
  #shutDown = false;
  #endSeen = false;

  /**
   * Takes over a connected socket whose TLS handshake is complete.
   *
   * @param socket The socket.
   * @param remoteAddress The peer's address, which a closed socket does not have.
   * @param localAddress The local address.
   */
  constructor(socket: BunSocket<unknown>, remoteAddress: Address, localAddress: Address) {
    super(remoteAddress, localAddress);
    this.#socket = socket;
  }

  /** Writes the chunks. Returns `true` if the kernel took all of them at once. */
  write(chunks: readonly Uint8Array[]): boolean {
    if (chunks.length === 1 ? this.#writeOne(chunks[0]!) : this.#writeAll(chunks)) return true;
    this.#waitsForDrain = true;
    return false;
  }

  /** Ends the outgoing direction after the unsent chunks, which Bun would discard. */
  end(): void {
    this.#ending = true;
    this.#shutDownOnceSent();
  }

  /** Bytes arrived, in memory of their own. */
  receiveData(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length > MAX_BORROWED || this.paused) return this.arrive(bytes, false);
    const borrowed = inputs[length] ??= input.subarray(0, length);
    borrowed.set(bytes);
    this.arrive(borrowed, true);
  }

  /** The peer sent FIN. */
  receiveEnd(): void {
    if (this.#endSeen) return;
    this.#endSeen = true;
    this.arriveEnd();
  }

  /** The kernel takes bytes again. Bun reports it also if no write waits. */
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

  /** The socket is closed. */
  receiveClose(error: unknown): void {
    if (error === undefined) {
      // After our own FIN, Bun reports the peer's only by closing the socket.
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

  /** Writes one chunk, and queues the part that the kernel does not take. Returns whether it took all. */
  #writeOne(chunk: Uint8Array): boolean {
    const taken = this.#socket.write(chunk);
    if (taken === chunk.length) return true;
    if (taken < 0) this.#fail();
    this.#unsent.push(taken > 0 ? chunk.subarray(taken) : chunk);
    return false;
  }

  /**
   * A write returned that the socket is closed. If the channel is paused when the peer resets it, this is all
   * that Bun reports of it.
   */
  #fail(): void {
    queueMicrotask(() => {
      if (this.over) return;
      this.#socket.terminate();
      this.arriveClosed(lostError());
    });
  }

  /** Writes chunks in as few writes as the scratch buffer allows. */
  #writeAll(chunks: readonly Uint8Array[]): boolean {
    const last = chunks.length - 1;
    let filled = 0;
    for (let i = 0; i <= last; i++) {
      let rest = chunks[i]!;
      do {
        let sent: boolean;
        if (filled === 0 && (i === last || rest.length > LARGE_SIZE)) {
          sent = this.#writeOne(rest);
          rest = EMPTY;
        } else {
          const part = rest.length > LARGE_SIZE ? HEAD_SIZE : rest.length;
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
    if (taken < 0) this.#fail();
    this.#unsent.push(scratch.slice(Math.max(taken, 0), size));
    return false;
  }
}
