import type { ByteChannel } from "../connection/byte_channel.ts";
import type { Clock } from "../connection/clock.ts";

/** How much a peer is given its time for: of more, it has as much time again. */
const PIECE_SIZE = 64 * 1024;

/** Up to this size a chunk is no more than a channel may have under way in any case. */
const MAX_SMALL = 4 * 1024;

/**
 * What a writer tells its owner. Not a callback: with a closure for each handshake, which refers back to
 * it, a server of Deno that is attacked grows twice as far before it collects them.
 */
export interface ChannelWriterOwner {
  /** Counts again, as `heldSize` of the writer has changed. */
  recountHeld(): void;
}

/** Writes to a channel, chunk by chunk, for whoever can wait: the plain HTTP side. */
export class ChannelWriter {
  readonly #channel: ByteChannel;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #drained: PromiseWithResolvers<void> | undefined;
  #closed = false;
  #written = 0;
  #heldSize = 0;
  readonly #owner: ChannelWriterOwner;
  /** Called when the channel is gone. */
  onClose: (() => void) | undefined;

  /**
   * Creates a writer.
   *
   * @param timeoutMs How long the peer may take for 64 KiB or a smaller chunk, in milliseconds; past
   * it the channel is dropped.
   */
  constructor(channel: ByteChannel, clock: Clock, timeoutMs: number, owner: ChannelWriterOwner) {
    this.#owner = owner;
    this.#channel = channel;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the channel is gone. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The bytes of the chunks that wait for the peer. */
  get heldSize(): number {
    return this.#heldSize;
  }

  /** How many bytes were written. */
  get written(): number {
    return this.#written;
  }

  /** Writes a chunk; resolves when the next one is welcome, or the channel is gone. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#hold(chunk.length);
    for (let start = 0; start < chunk.length; start += PIECE_SIZE) {
      await this.#writePiece(chunk.subarray(start, start + PIECE_SIZE));
    }
    this.#hold(-chunk.length);
  }

  async #writePiece(chunk: Uint8Array): Promise<void> {
    // A deadline may have its answer sent while an earlier chunk waits.
    while (this.#drained !== undefined) await this.#drained.promise;
    if (this.#closed) return;
    this.#written += chunk.length;
    if (this.#channel.write([chunk])) return;
    this.#drained = Promise.withResolvers();
    const { promise } = this.#drained;
    if (this.#timeoutMs === Infinity) return promise;
    const timer = this.#clock.setTimeout(() => this.#channel.abort(), this.#timeoutMs);
    await promise;
    this.#clock.clearTimeout(timer);
  }

  #hold(change: number): void {
    // A chunk is one piece of memory, however much of it was sent; a small one is sent at once.
    if (Math.abs(change) <= MAX_SMALL) return;
    this.#heldSize += change;
    this.#owner.recountHeld();
  }

  /** The channel has taken what was written. */
  drain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  /** The channel is gone. */
  close(): void {
    this.#closed = true;
    this.drain();
    this.onClose?.();
  }
}
