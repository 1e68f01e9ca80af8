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

/** Converts an input; also returns how many of its bytes were used. */
type Convert = (
  input: Uint8Array,
  maxLength: number,
) => { readonly output: Uint8Array; readonly consumed: number };

/** Produces all of a result at once, and returns it in steps. */
class OneShotStream implements DeflateStream {
  readonly #convert: Convert;
  #pending: Uint8Array = EMPTY;
  consumed = 0;

  constructor(convert: Convert) {
    this.#convert = convert;
  }

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
      const { output, consumed } = this.#convert(input.subarray(start, end), maxLength);
      this.#pending = output;
      this.consumed = consumed;
    }
    const size = Math.min(this.#pending.length, OUTPUT_SIZE);
    streamOutput.set(this.#pending.subarray(0, size));
    this.#pending = this.#pending.subarray(size);
    return size;
  }

  reset(): void {
    this.#pending = EMPTY;
  }

  close(): void {}
}

/** Creates streams over the documented functions of `node:zlib`, which convert an input as a whole. */
export function createOneShotStreams(zlib: ZlibOneShotFunctions): DeflateStreams {
  const finishFlush = SYNC_FLUSH;
  return {
    isContinuous: false,
    deflater(windowBits, level, memLevel) {
      const options = { windowBits, level, memLevel, finishFlush };
      // Each piece is a series of blocks that ends at a byte, so the pieces of a message can be concatenated.
      return new OneShotStream((input) => ({
        output: zlib.deflateRawSync(input, options),
        consumed: input.length,
      }));
    },
    inflater: (windowBits) =>
      new OneShotStream((input, maxLength) => {
        const options: OneShotOptions = { windowBits, finishFlush, info: true };
        if (maxLength !== Infinity) options.maxOutputLength = Math.max(1, maxLength);
        try {
          const { buffer, engine } = zlib.inflateRawSync(input, options) as InflateInfo;
          return { output: buffer, consumed: engine.bytesWritten };
        } catch (error) {
          if ((error as { code?: unknown }).code !== "ERR_BUFFER_TOO_LARGE") throw error;
          throw new MessageTooBigError(maxLength + 1, maxLength);
        }
      }),
  };
}
