import { MessageTooBigError } from "../errors.ts";
import {
  type DeflateStream,
  type DeflateStreams,
  OUTPUT_SIZE,
  streamOutput,
} from "./deflate_stream.ts";

interface OneShotOptions {
  finishFlush: number;
  windowBits: number;
  level?: number | undefined;
  memLevel?: number | undefined;
  maxOutputLength?: number | undefined;
  info?: boolean | undefined;
}

/** The documented functions of `node:zlib` that work synchronously. */
export interface ZlibOneShotFunctions {
  deflateRawSync(input: Uint8Array, options: OneShotOptions): Uint8Array;
  inflateRawSync(input: Uint8Array, options: OneShotOptions): unknown;
}

/** What `inflateRawSync` returns with the option `info`. */
interface InflateInfo {
  readonly buffer: Uint8Array;
  /** `bytesWritten` is the number of bytes of the input that were used. */
  readonly engine: { readonly bytesWritten: number };
}

const SYNC_FLUSH = 2;
const EMPTY = new Uint8Array(0);

/** Makes all of a result at once, and gives it out by steps. */
abstract class OneShotStream implements DeflateStream {
  #pending: Uint8Array = EMPTY;
  consumed = 0;

  get isOutputFull(): boolean {
    return this.#pending.length > 0;
  }

  get heldLength(): number {
    return this.#pending.length;
  }

  step(
    input: Uint8Array,
    start: number,
    end: number,
    _isMoreToCome?: boolean,
    maxLength: number = Infinity,
  ): number {
    this.consumed = 0;
    if (this.#pending.length === 0) {
      this.#pending = this.convert(input.subarray(start, end), maxLength);
    }
    const size = Math.min(this.#pending.length, OUTPUT_SIZE);
    streamOutput.set(this.#pending.subarray(0, size));
    this.#pending = this.#pending.subarray(size);
    return size;
  }

  /** Converts the input, and says in `consumed` how much of it. */
  protected abstract convert(input: Uint8Array, maxLength: number): Uint8Array;

  reset(): void {
    this.#pending = EMPTY;
  }

  close(): void {}
}

class OneShotDeflater extends OneShotStream {
  readonly #zlib: ZlibOneShotFunctions;
  readonly #options: OneShotOptions;

  constructor(zlib: ZlibOneShotFunctions, options: OneShotOptions) {
    super();
    this.#zlib = zlib;
    this.#options = options;
  }

  // Each piece is a series of blocks that ends at a byte, so the pieces of a message make up one.
  protected override convert(input: Uint8Array): Uint8Array {
    this.consumed = input.length;
    return this.#zlib.deflateRawSync(input, this.#options);
  }
}

class OneShotInflater extends OneShotStream {
  readonly #zlib: ZlibOneShotFunctions;
  readonly #windowBits: number;

  constructor(zlib: ZlibOneShotFunctions, windowBits: number) {
    super();
    this.#zlib = zlib;
    this.#windowBits = windowBits;
  }

  protected override convert(input: Uint8Array, maxLength: number): Uint8Array {
    const options: OneShotOptions = {
      finishFlush: SYNC_FLUSH,
      windowBits: this.#windowBits,
      info: true,
    };
    if (maxLength !== Infinity) options.maxOutputLength = Math.max(1, maxLength);
    try {
      const { buffer, engine } = this.#zlib.inflateRawSync(input, options) as InflateInfo;
      this.consumed = engine.bytesWritten;
      return buffer;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "ERR_BUFFER_TOO_LARGE") throw error;
      throw new MessageTooBigError(maxLength + 1, maxLength);
    }
  }
}

/** Streams over the documented functions of `node:zlib`, which go through all of an input at once. */
export class OneShotStreams implements DeflateStreams {
  readonly isContinuous = false;
  readonly #zlib: ZlibOneShotFunctions;

  constructor(zlib: ZlibOneShotFunctions) {
    this.#zlib = zlib;
  }

  deflater(windowBits: number, level: number, memoryLevel: number): DeflateStream {
    return new OneShotDeflater(this.#zlib, {
      windowBits,
      level,
      memLevel: memoryLevel,
      finishFlush: SYNC_FLUSH,
    });
  }

  inflater(windowBits: number): DeflateStream {
    return new OneShotInflater(this.#zlib, windowBits);
  }
}
