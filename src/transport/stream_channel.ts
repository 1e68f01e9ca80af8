/**
 * A byte channel over a pair of byte streams: an HTTP/2 stream, a socket of some other library, an
 * in-memory pair.
 *
 * @module
 */

import { concatBytes } from "../codec/concat_bytes.ts";
import { lostError } from "./lost_error.ts";
import { OrderedChannel } from "./ordered_channel.ts";
import { isUint8Array } from "../values.ts";

/** Both directions of a byte stream. */
export interface ByteStreamPair {
  /** What the peer sends. */
  readable: ReadableStream<Uint8Array>;
  /** What is sent to the peer. */
  writable: WritableStream<Uint8Array>;
}

/** A pair of byte streams as a byte channel. It locks both. */
export class StreamChannel extends OrderedChannel {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onFailure = (error: unknown): void => this.#fail(error);
  readonly #onTaken = (): void => this.arriveDrain();
  #reading = false;
  /** The readable is at its end. */
  #endSeen = false;
  /** The writable took everything, and its end. */
  #endSent = false;

  /**
   * Takes over the streams. Reads at once, and delivers on a later turn.
   *
   * @param streams Both directions.
   * @throws {TypeError} Where one of the streams is locked.
   */
  constructor(streams: ByteStreamPair) {
    super({ transport: "stream" }, { transport: "stream" });
    // The types of Bun have two classes of that name.
    this.#reader = streams.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    try {
      this.#writer = streams.writable.getWriter();
    } catch (error) {
      this.#reader.releaseLock();
      throw error;
    }
    // Streams may fail while nothing is read or written.
    this.#reader.closed.catch(this.#onFailure);
    this.#writer.closed.catch(this.#onFailure);
    this.#read();
  }

  /**
   * Writes the chunks as one: a copy, as who gets it at the other end may keep it for good. Always
   * `false`: what the writable queues is not sent, however large its high-water mark is, and has to
   * count as held until the sink has taken it.
   */
  write(chunks: readonly Uint8Array[]): boolean {
    let size = 0;
    for (const chunk of chunks) size += chunk.length;
    this.#writer.write(concatBytes(chunks, size)).then(this.#onTaken, this.#onFailure);
    return false;
  }

  /** Ends the outgoing direction; the stream takes what was written before it. */
  end(): void {
    this.#writer.close().then(() => {
      this.#endSent = true;
      this.#closeOnceEnded();
    }, this.#onFailure);
  }

  protected override stopReading(): void {
    // The read that is under way is the last one; what it brings is held.
  }

  protected override startReading(): void {
    this.#read();
  }

  protected override destroy(): void {
    this.#reader.cancel().catch(ignore);
    this.#writer.abort().catch(ignore);
  }

  async #read(): Promise<void> {
    if (this.#reading || this.#endSeen) return;
    this.#reading = true;
    while (!this.paused && !this.over) {
      let done: boolean;
      let value: Uint8Array | undefined;
      try {
        ({ done, value } = await this.#reader.read());
      } catch (error) {
        this.#fail(error);
        break;
      }
      if (done) {
        this.#endSeen = true;
        this.arriveEnd();
        this.#closeOnceEnded();
        break;
      }
      if (!isUint8Array(value)) {
        this.#fail(new TypeError("Cannot read from the readable: its chunks must be Uint8Array"));
        break;
      }
      // A copy: what is received is overwritten in place, and the producer may still need it.
      this.arrive(new Uint8Array(value), false);
    }
    this.#reading = false;
  }

  #closeOnceEnded(): void {
    if (this.#endSeen && this.#endSent) this.arriveClosed();
  }

  #fail(error: unknown): void {
    if (this.over) return; // Such as the read that abort() cancelled.
    this.destroy();
    this.arriveClosed(error ?? lostError());
  }
}

function ignore(): void {
  // Nobody waits for it.
}
