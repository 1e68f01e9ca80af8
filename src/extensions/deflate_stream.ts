/** One direction of DEFLATE, driven synchronously. Its results go to `streamOutput`. */
export interface DeflateStream {
  /** The bytes of the input that the last step took. */
  readonly consumed: number;
  /** Whether there may be more output without further input. */
  readonly isOutputFull: boolean;
  /** The bytes of results that it holds, beside its window. */
  readonly heldLength: number;
  /**
   * Compresses or decompresses, as much as the output has room for.
   *
   * @param isMoreToCome Whether the input to compress goes on: some of it may then be held back.
   * @param maxLength The most bytes that the result may have in all, as far as the stream has to produce
   * them at once.
   * @returns The number of bytes in `streamOutput`, to be used before the next step of any stream.
   * @throws {MessageTooBigError} If there are more than `maxLength`.
   * @throws {Error} If the input is corrupt.
   */
  step(
    input: Uint8Array,
    start: number,
    end: number,
    isMoreToCome?: boolean,
    maxLength?: number,
  ): number;
  /** Forgets everything, an error included. */
  reset(): void;
  /** Gives the memory back. */
  close(): void;
}

/** Creates streams, by what a runtime has for them. */
export interface DeflateStreams {
  /**
   * Whether a stream goes on after its last step. Otherwise each message is compressed by itself, and
   * has to be whole before it is inflated.
   */
  readonly isContinuous: boolean;
  /** Creates a stream that compresses. */
  deflater(windowBits: number, level: number, memoryLevel: number): DeflateStream;
  /** Creates a stream that decompresses. */
  inflater(windowBits: number): DeflateStream;
}

/** The size of `streamOutput`, in bytes. */
export const OUTPUT_SIZE: number = 64 * 1024;

/** Holds the result of the last step of whichever stream: they work one at a time. */
export const streamOutput: Uint8Array = new Uint8Array(OUTPUT_SIZE);
