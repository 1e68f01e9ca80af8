import {
  type DeflateStream,
  type DeflateStreams,
  OUTPUT_SIZE,
  streamOutput,
} from "./deflate_stream.ts";

/** The members of a stream of `node:zlib` that are used here. Most of them are not documented. */
interface ZlibStream {
  _handle: {
    onerror: (message: string) => void;
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
    reset(): void;
  };
  /** After a write: the room left in the output, and the input left. */
  _writeState: ArrayLike<number>;
  close(): void;
}

interface ZlibOptions {
  windowBits: number;
  chunkSize: number;
  level?: number | undefined;
  memLevel?: number | undefined;
}

/** The functions of `node:zlib` that create streams. */
export interface ZlibStreamFunctions {
  createDeflateRaw(options: ZlibOptions): unknown;
  createInflateRaw(options: ZlibOptions): unknown;
}

const NO_FLUSH = 0;
const SYNC_FLUSH = 2;

/** The smallest output buffer that `node:zlib` allocates for a stream. It is not used. */
const CHUNK_SIZE = 64;

class HandleStream implements DeflateStream {
  readonly #stream: ZlibStream;
  #error: string | undefined;
  consumed = 0;
  isOutputFull = false;
  readonly heldLength = 0;

  constructor(stream: unknown) {
    this.#stream = stream as ZlibStream;
    this.#stream._handle.onerror = (message) => this.#error = message;
  }

  step(input: Uint8Array, start: number, end: number, isMoreToCome = false): number {
    const { _handle, _writeState } = this.#stream;
    const flush = isMoreToCome ? NO_FLUSH : SYNC_FLUSH;
    _handle.writeSync(flush, input, start, end - start, streamOutput, 0, OUTPUT_SIZE);
    if (this.#error !== undefined) throw new Error(this.#error);
    const room = _writeState[0]!;
    this.consumed = end - start - _writeState[1]!;
    this.isOutputFull = room === 0;
    return OUTPUT_SIZE - room;
  }

  reset(): void {
    this.#error = undefined;
    this.isOutputFull = false;
    this.#stream._handle.reset();
  }

  close(): void {
    this.#stream.close();
  }
}

/**
 * Creates streams over the handles of `node:zlib`: only these can keep a window from message to message without a
 * thread pool task for each, and stop in the middle of the result of a few bytes.
 */
export function createHandleStreams(zlib: ZlibStreamFunctions): DeflateStreams {
  const chunkSize = CHUNK_SIZE;
  return {
    isContinuous: true,
    deflater: (windowBits, level, memLevel) =>
      new HandleStream(zlib.createDeflateRaw({ windowBits, level, memLevel, chunkSize })),
    inflater: (windowBits) => new HandleStream(zlib.createInflateRaw({ windowBits, chunkSize })),
  };
}
