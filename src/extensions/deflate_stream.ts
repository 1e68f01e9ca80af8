/** One direction of DEFLATE, synchronous. Results are written to `streamOutput`. */
export interface DeflateStream {
  /** The number of bytes of input that the last step used. */
  readonly consumed: number;
  /** Whether there may be more output without further input. */
  readonly isOutputFull: boolean;
  /** The bytes of results that it holds, besides its window. */
  readonly heldLength: number;
  /**
   * Compresses or decompresses as much as `streamOutput` has room for.
   *
   * @param isMoreToCome Whether more input follows: a deflater may then hold back some of its output.
   * @param maxLength The most bytes that the whole result may have; ignored by streams that produce it in steps.
   * @returns The number of bytes in `streamOutput`, to be used before the next step of any stream.
   * @throws {MessageTooBigError} If the result is longer than `maxLength`.
   * @throws {Error} If the input is corrupt.
   */
  step(
    input: Uint8Array,
    start: number,
    end: number,
    isMoreToCome?: boolean,
    maxLength?: number,
  ): number;
  /** Starts again with an empty window, also after an error. */
  reset(): void;
  /** Releases its memory. */
  close(): void;
}

/** Creates streams, with the means of the runtime. */
export interface DeflateStreams {
  /** Whether a stream keeps its window between steps. Otherwise each message stands alone, and is inflated whole. */
  readonly isContinuous: boolean;
  deflater(windowBits: number, level: number, memoryLevel: number): DeflateStream;
  inflater(windowBits: number): DeflateStream;
}

export const OUTPUT_SIZE: number = 64 * 1024;

/** Longer compressed messages are copies, owned by the caller; others are views of memory that is reused. */
export const MAX_VIEW_LENGTH: number = 16 * 1024;

/** The result of the last step of any stream. */
export const streamOutput: Uint8Array = new Uint8Array(OUTPUT_SIZE);
