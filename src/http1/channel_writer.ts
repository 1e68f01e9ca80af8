import type { ByteChannel } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";

/** How much a peer is given its time for: of more, it has as much time again. */
export const PIECE_SIZE: number = 64 * 1024;

/** Up to this size a chunk is no more than a channel may have under way in any case. */
const MAX_SMALL = 4 * 1024;

/** How long a peer may take nothing before it counts as stalled, in milliseconds. */
const PATIENCE_MS = 2_000;

/**
 * What a writer tells its owner. Not a callback: with a closure for each handshake, which refers back to
 * it, a server of Deno that is attacked grows twice as far before it collects them.
 */
export interface ChannelWriterOwner {
  /** The peer has taken nothing for two seconds, or for two more. */
  tellStall(): void;
  /** The peer takes something again. */
  tellProgress(): void;
  /** The peer has taken nothing for all of its time: the channel is to be dropped. */
  tellTimeout(): void;
}

/** Writes to a channel, chunk by chunk, for whoever can wait: the plain HTTP side. */
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
  /** How long the peer may take for 64 KiB or a smaller chunk, in milliseconds; past it the owner is told. */
  timeoutMs: number;
  /** Called when the channel is gone. */
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

  /** Whether the channel is gone. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Why the channel is gone, as the program is told. */
  get closeReason(): unknown {
    return this.#closeReason;
  }

  /** The bytes of the chunk that waits for the peer: all of it is held, however much of it was sent. */
  get heldSize(): number {
    // A small one is sent at once.
    return this.#drained === undefined || this.#chunkSize <= MAX_SMALL ? 0 : this.#chunkSize;
  }

  /** Whether the peer has taken nothing for two seconds. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Whether a chunk waits for the peer to take it. */
  get isWaiting(): boolean {
    return this.#drained !== undefined;
  }

  /** How many bytes were written. */
  get written(): number {
    return this.#written;
  }

  /** Writes a chunk; resolves when the next one is welcome, or the channel is gone. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.length; start += PIECE_SIZE) {
      await this.#writePiece(chunk.subarray(start, start + PIECE_SIZE), chunk.length);
    }
  }

  async #writePiece(piece: Uint8Array, chunkSize: number): Promise<void> {
    // A deadline may have its answer sent while an earlier chunk waits.
    while (this.#drained !== undefined) await this.#drained.promise;
    if (this.#closed) return;
    this.#written += piece.length;
    if (this.#channel.write([piece])) return;
    this.#chunkSize = chunkSize;
    this.#drained = Promise.withResolvers();
    this.#watch(0);
    await this.#drained.promise;
  }

  /** Watches a peer that has taken nothing for `stalledMs`. */
  #watch(stalledMs: number): void {
    const delayMs = Math.min(PATIENCE_MS, this.timeoutMs - stalledMs);
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

  /** The channel has taken what was written. */
  drain(): void {
    if (this.#drained === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#drained.resolve();
    this.#drained = undefined;
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#owner.tellProgress();
  }

  /** The channel is gone; `reason` is what the program is told of it. */
  close(reason: unknown): void {
    this.#closed = true;
    this.#closeReason = reason;
    this.drain();
    this.onClose?.();
  }
}
