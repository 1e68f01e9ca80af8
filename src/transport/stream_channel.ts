import { concatBytes } from "../codec/byte_collector.ts";
import { lostError, OrderedChannel } from "./ordered_channel.ts";
import { show } from "../checks.ts";
import { isUint8Array } from "../values.ts";

/** Both directions of a byte stream. */
export interface ByteStreamPair {
  /** The bytes from the peer. */
  readable: ReadableStream<Uint8Array>;
  /** The bytes to the peer. */
  writable: WritableStream<Uint8Array>;
}

/**
 * A byte channel over a pair of byte streams, such as an HTTP/2 stream or a socket of another library. It locks both.
 */
export class StreamChannel extends OrderedChannel {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onFailure = (error: unknown): void => this.#fail(error);
  readonly #onTaken = (): void => this.arriveDrain();
  #reading = false;
  /** Whether the readable has ended, and the writable is closed. */
  #endSeen = false;
  #endSent = false;

  /**
   * Takes over the streams. Reads at once, and delivers on a later turn.
   *
   * @throws {TypeError} If one of the streams is locked.
   */
  constructor(streams: ByteStreamPair) {
    super({ transport: "stream" }, { transport: "stream" });
    // Bun's types have two classes of this name.
    this.#reader = streams.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    try {
      this.#writer = streams.writable.getWriter();
    } catch (error) {
      this.#reader.releaseLock();
      throw error;
    }
    // A stream may error while no read or write is in flight.
    this.#reader.closed.catch(this.#onFailure);
    this.#writer.closed.catch(this.#onFailure);
    this.#read();
  }

  /**
   * Writes the chunks as one copy, since the sink may keep it. Returns `false`: bytes in the writable's queue are not
   * sent, however high its high-water mark is.
   */
  write(chunks: readonly Uint8Array[]): boolean {
    let size = 0;
    for (const chunk of chunks) size += chunk.length;
    this.#writer.write(concatBytes(chunks, size)).then(this.#onTaken, this.#onFailure);
    return false;
  }

  end(): void {
    this.#writer.close().then(() => {
      this.#endSent = true;
      this.#closeOnceEnded();
    }, this.#onFailure);
  }

  protected override stopReading(): void {
    // The read in flight is the last one; its bytes are held.
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
    try {
      while (!this.paused && !this.over) {
        const { done, value } = await this.#reader.read();
        if (done) {
          this.#endSeen = true;
          this.arriveEnd();
          this.#closeOnceEnded();
          break;
        }
        if (!isUint8Array(value)) {
          throw new TypeError(
            `Cannot read from the readable: its chunks must be Uint8Array, got ${show(value)}`,
          );
        }
        // A copy, since payloads are unmasked in place, and the producer may still use its chunk.
        this.arrive(new Uint8Array(value), false);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#reading = false;
  }

  #closeOnceEnded(): void {
    if (this.#endSeen && this.#endSent) this.arriveClosed();
  }

  #fail(error: unknown): void {
    if (this.over) return; // abort() has cancelled a read.
    this.destroy();
    this.arriveClosed(error ?? lostError());
  }
}

function ignore(): void {}
