import { cloneBytes } from "../codec/byte_collector.ts";
import type { CompressionSettings } from "./compression_options.ts";
import type { DeflateStream, DeflateStreams } from "./zlib.ts";

/** How many streams of a kind are kept for the next message that needs one. */
const MAX_IDLE = 4;

/** The largest message that is remembered. */
const MAX_REMEMBERED_LENGTH = 64 * 1024;

/** The message that was compressed last. */
interface Remembered {
  data: string | Uint8Array;
  deflated: Uint8Array;
}

/**
 * What the connections with the same settings share: streams that nobody uses at the moment, and the
 * message that was compressed last, since it may go out to many.
 */
export class DeflatePool {
  readonly #streams: DeflateStreams;
  readonly #settings: CompressionSettings;
  readonly #idleDeflaters: Map<number, DeflateStream[]> = new Map();
  readonly #idleInflaters: Map<number, DeflateStream[]> = new Map();
  readonly #remembered: Map<number, Remembered> = new Map();

  constructor(streams: DeflateStreams, settings: CompressionSettings) {
    this.#streams = streams;
    this.#settings = settings;
  }

  /** Gives a stream that begins with an empty window. */
  acquireDeflater(windowBits: number): DeflateStream {
    const { level, memoryLevel } = this.#settings;
    return this.#idleDeflaters.get(windowBits)?.pop() ??
      this.#streams.deflater(windowBits, level, memoryLevel);
  }

  /** Takes a stream back. */
  releaseDeflater(windowBits: number, stream: DeflateStream): void {
    release(this.#idleDeflaters, windowBits, stream);
  }

  /** Gives a stream that begins with an empty window. */
  acquireInflater(windowBits: number): DeflateStream {
    return this.#idleInflaters.get(windowBits)?.pop() ?? this.#streams.inflater(windowBits);
  }

  /** Takes a stream back. */
  releaseInflater(windowBits: number, stream: DeflateStream): void {
    release(this.#idleInflaters, windowBits, stream);
  }

  /** Gives what became of a message, if it was the last one compressed with this window. */
  recall(windowBits: number, data: string | Uint8Array): Uint8Array | undefined {
    const remembered = this.#remembered.get(windowBits);
    return remembered !== undefined && isSame(remembered.data, data)
      ? remembered.deflated
      : undefined;
  }

  /** Remembers what became of a message, and gives it. */
  remember(windowBits: number, data: string | Uint8Array, deflated: Uint8Array): Uint8Array {
    if (data.length > MAX_REMEMBERED_LENGTH) return deflated;
    const own = cloneBytes(deflated, 0, deflated.length);
    const kept = typeof data === "string" ? data : cloneBytes(data, 0, data.length);
    this.#remembered.set(windowBits, { data: kept, deflated: own });
    return own;
  }
}

function release(
  streams: Map<number, DeflateStream[]>,
  windowBits: number,
  stream: DeflateStream,
): void {
  let idle = streams.get(windowBits);
  if (idle === undefined) streams.set(windowBits, idle = []);
  if (idle.length < MAX_IDLE) {
    stream.reset();
    idle.push(stream);
  } else {
    stream.close();
  }
}

function isSame(a: string | Uint8Array, b: string | Uint8Array): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
