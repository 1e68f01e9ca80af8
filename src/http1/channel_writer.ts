import type { ByteChannel } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";

/** Chunks are written in pieces of this size, in bytes. The peer has `timeoutMs` for each. */
export const PIECE_SIZE: number = 64 * 1024;

/** Up to this size, in bytes, a chunk counts as sent at once. */
const MAX_SMALL = 4 * 1024;

/** A peer that reads nothing for this time, in milliseconds, is stalled. */
const STALL_MS = 2_000;

/**
 * The owner of a writer, which it notifies. An interface rather than callbacks: with a closure per handshake
 * that refers back to it, a server on Deno under attack grows to twice the size before they are collected.
 */
export interface ChannelWriterOwner {
  /** The peer has read nothing for two seconds. Called again every two seconds. */
  tellStall(): void;
  /** The peer reads again after a stall. */
  tellProgress(): void;
  /** The peer has read nothing for `timeoutMs`: the owner has to abort the channel. */
  tellTimeout(): void;
}

/** Writes HTTP responses to a channel, chunk by chunk, with backpressure by promises. */
export class ChannelWriter {
  readonly #channel: ByteChannel;
  readonly #clock: Clock;
  #drained: PromiseWithResolvers<void> | undefined;
  #closed = false;
  #written = 0;
  #chunkSize = 0;
  #isStalled = false;
  #timer: unknown;
  readonly #owner: ChannelWriterOwner;
  #closeReason: unknown;
  /**
   * How long the peer may take to read a piece of 64 KiB, in milliseconds. After it,
   * {@linkcode ChannelWriterOwner.tellTimeout} is called.
   */
  timeoutMs: number;
  /** Called when the channel is closed. */
  onClose: (() => void) | undefined;

  /**
   * Creates a writer.
   *
   * @param timeoutMs See {@linkcode ChannelWriter.timeoutMs}.
   */
  constructor(channel: ByteChannel, clock: Clock, timeoutMs: number, owner: ChannelWriterOwner) {
    this.#owner = owner;
    this.#channel = channel;
    this.#clock = clock;
    this.timeoutMs = timeoutMs;
  }

  /** Whether the channel is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The reason that the program is given for the close. */
  get closeReason(): unknown {
    return this.#closeReason;
  }

  /** The size of the chunk being sent, in bytes: it is held whole until its last byte is sent. */
  get heldSize(): number {
    return this.#drained === undefined || this.#chunkSize <= MAX_SMALL ? 0 : this.#chunkSize;
  }

  /** Whether the peer has read nothing for two seconds. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Whether a chunk waits for the peer to read. */
  get isWaiting(): boolean {
    return this.#drained !== undefined;
  }

  /** The number of bytes written. */
  get written(): number {
    return this.#written;
  }

  /** Writes a chunk. Resolves when the next one may be written, or the channel is closed. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.length; start += PIECE_SIZE) {
      await this.#writePiece(chunk.subarray(start, start + PIECE_SIZE), chunk.length);
    }
  }

  async #writePiece(piece: Uint8Array, chunkSize: number): Promise<void> {
    // The response to a deadline may be written while an earlier chunk waits.
    while (this.#drained !== undefined) await this.#drained.promise;
    if (this.#closed) return;
    this.#written += piece.length;
    if (this.#channel.write([piece])) return;
    this.#chunkSize = chunkSize;
    this.#drained = Promise.withResolvers();
    this.#watch(0);
    await this.#drained.promise;
  }

  /** Watches a peer that has read nothing for `stalledMs`. */
  #watch(stalledMs: number): void {
    const delayMs = Math.min(STALL_MS, this.timeoutMs - stalledMs);
    this.#timer = this.#clock.setTimeout(() => {
      if (stalledMs + delayMs >= this.timeoutMs) {
        this.#owner.tellTimeout();
        return;
      }
      this.#isStalled = true;
      this.#watch(stalledMs + delayMs);
      this.#owner.tellStall();
    }, delayMs);
  }

  /** The channel has taken the last write. */
  drain(): void {
    if (this.#drained === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#drained.resolve();
    this.#drained = undefined;
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#owner.tellProgress();
  }

  /**
   * The channel is closed.
   *
   * @param reason See {@linkcode ChannelWriter.closeReason}.
   */
  close(reason: unknown): void {
    this.#closed = true;
    this.#closeReason = reason;
    this.drain();
    this.onClose?.();
  }
}
