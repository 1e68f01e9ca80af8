/**
 * DEFLATE streams that are driven synchronously, over the handles of `node:zlib`: the only way to
 * keep a window from message to message without a thread's queue for each of them, and to stop in
 * the middle of what a few bytes inflate to. Handles are no documented API, so they are tried out
 * before anything relies on them.
 *
 * @module
 */

/** What is used of a stream of `node:zlib`. */
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

/** What is used of `node:zlib`. */
interface Zlib {
  createDeflateRaw(options: ZlibOptions): unknown;
  createInflateRaw(options: ZlibOptions): unknown;
}

const NO_FLUSH = 0;
const SYNC_FLUSH = 2;
const EMPTY = new Uint8Array(0);

/** The least that a stream may reserve for an output of its own, which is not used. */
const CHUNK_SIZE = 64;

/** The outputs of all streams, by turns: they work one at a time. */
const OUTPUT_SIZE = 64 * 1024;

/**
 * What a stream takes beside its window, in bytes: measured, an inflater takes 11,000 to 22,000 on Node,
 * Bun and Deno, and a deflater, with a table of 64 KiB on Node and 128 KiB elsewhere, between these.
 */
const INFLATER_COST = 13 * 1024;
const DEFLATER_COST = 92 * 1024;

/** The memory that a deflater takes, about, in bytes. */
export function deflaterSize(windowBits: number, memoryLevel: number): number {
  return 2 ** (windowBits + 2) + 2 ** (memoryLevel + 8) + DEFLATER_COST;
}

/**
 * The memory that an inflater takes, about, in bytes.
 *
 * @param produced How many bytes it has given: its window is touched as far as there were any.
 */
export function inflaterSize(windowBits: number, produced: number): number {
  return INFLATER_COST + Math.min(produced, 2 ** windowBits);
}

/** One direction of DEFLATE. */
export class DeflateStream {
  readonly #stream: ZlibStream;
  #error: string | undefined;
  /** The bytes of the input that the last step took. */
  consumed = 0;
  /** Whether the last step filled the output: there may be more without further input. */
  isOutputFull = false;
  /** What the last step gave, from 0 to its result: to be used before the next step of any stream. */
  static readonly output: Uint8Array = new Uint8Array(OUTPUT_SIZE);

  /** Takes a stream over. */
  constructor(stream: unknown) {
    this.#stream = stream as ZlibStream;
    this.#stream._handle.onerror = (message) => this.#error = message;
  }

  /**
   * Compresses or decompresses, as much as the output has room for.
   *
   * @param isMoreToCome Whether what is compressed goes on: it may then be held back.
   * @returns The number of bytes in the output.
   * @throws {Error} Where the input is corrupt.
   */
  step(input: Uint8Array, start: number, end: number, isMoreToCome = false): number {
    const { _handle, _writeState } = this.#stream;
    const { output } = DeflateStream;
    const flush = isMoreToCome ? NO_FLUSH : SYNC_FLUSH;
    _handle.writeSync(flush, input, start, end - start, output, 0, OUTPUT_SIZE);
    if (this.#error !== undefined) throw new Error(this.#error);
    const room = _writeState[0]!;
    this.consumed = end - start - _writeState[1]!;
    this.isOutputFull = room === 0;
    return OUTPUT_SIZE - room;
  }

  /** Forgets everything, an error included. */
  reset(): void {
    this.#error = undefined;
    this.isOutputFull = false;
    this.#stream._handle.reset();
  }

  /** Gives the memory back. */
  close(): void {
    this.#stream.close();
  }
}

/** Makes streams. */
export class DeflateStreams {
  readonly #zlib: Zlib;

  private constructor(zlib: Zlib) {
    this.#zlib = zlib;
  }

  /**
   * Loads `node:zlib`, and tries out what is used of it.
   *
   * @throws {Error} Where the runtime has none, or another one.
   */
  static async load(): Promise<DeflateStreams> {
    const zlib = await import("node:zlib") as unknown as Zlib;
    const streams = new DeflateStreams(zlib);
    streams.#tryOut();
    return streams;
  }

  /** Creates a stream that compresses. */
  deflater(windowBits: number, level: number, memoryLevel: number): DeflateStream {
    return new DeflateStream(
      this.#zlib.createDeflateRaw({
        windowBits,
        level,
        memLevel: memoryLevel,
        chunkSize: CHUNK_SIZE,
      }),
    );
  }

  /** Creates a stream that decompresses. */
  inflater(windowBits: number): DeflateStream {
    return new DeflateStream(this.#zlib.createInflateRaw({ windowBits, chunkSize: CHUNK_SIZE }));
  }

  #tryOut(): void {
    const deflater = this.deflater(15, 6, 8);
    const inflater = this.inflater(15);
    try {
      const text = Uint8Array.of(72, 101, 108, 108, 111);
      const compressed = DeflateStream.output.slice(0, deflater.step(text, 0, text.length));
      for (const [input, start] of [[compressed, 0], [Uint8Array.of(0xff, ...compressed), 1]]) {
        const bytes = input as Uint8Array;
        const size = inflater.step(bytes, start as number, bytes.length);
        const result = DeflateStream.output.subarray(0, size);
        const isSame = result.length === text.length && result.every((byte, i) => byte === text[i]);
        if (!isSame || deflater.step(EMPTY, 0, 0) !== 0) throw new Error("it gave other bytes");
        inflater.reset();
      }
    } catch (cause) {
      throw new Error("Cannot use this runtime's node:zlib for compression", { cause });
    } finally {
      deflater.close();
      inflater.close();
    }
  }
}
