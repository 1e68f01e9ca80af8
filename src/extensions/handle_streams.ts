import {
  type DeflateStream,
  type DeflateStreams,
  OUTPUT_SIZE,
  streamOutput,
} from "./deflate_stream.ts";

/** A stream of `node:zlib`, as far as it is used here. Most of this is not documented. */
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

/** The least that a stream of `node:zlib` may reserve for an output of its own, which is not used. */
const CHUNK_SIZE = 64;

/** A stream over the handle of one of `node:zlib`. */
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
 * Streams over the handles of `node:zlib`: the only way to keep a window from message to message without a
 * thread's queue for each of them, and to stop in the middle of the result of a few bytes.
 */
export class HandleStreams implements DeflateStreams {
  readonly isContinuous = true;
  readonly #zlib: ZlibStreamFunctions;

  constructor(zlib: ZlibStreamFunctions) {
    this.#zlib = zlib;
  }

  deflater(windowBits: number, level: number, memoryLevel: number): DeflateStream {
    return new HandleStream(
      this.#zlib.createDeflateRaw({
        windowBits,
        level,
        memLevel: memoryLevel,
        chunkSize: CHUNK_SIZE,
      }),
    );
  }

  inflater(windowBits: number): DeflateStream {
    return new HandleStream(this.#zlib.createInflateRaw({ windowBits, chunkSize: CHUNK_SIZE }));
  }
}
