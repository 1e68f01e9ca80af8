import type { CompressionSettings } from "./compression_options.ts";
import type { DeflateStream, DeflateStreams } from "./deflate_stream.ts";
import { RememberedMessage } from "./remembered_message.ts";
import { deflaterSize } from "./stream_sizes.ts";

/** How many idle streams are kept for each window size. */
const MAX_IDLE = 4;

/** Longer results are copies; others are views of memory that is reused. */
export const MAX_VIEW_LENGTH: number = 16 * 1024;

/** Idle streams, and the last compressed message, which may be sent to many: shared by connections with the same settings. */
export class DeflatePool {
  readonly #streams: DeflateStreams;
  readonly #settings: CompressionSettings;
  readonly #idleDeflaters: Map<number, DeflateStream[]> = new Map();
  readonly #idleInflaters: Map<number, DeflateStream[]> = new Map();
  readonly #lastMessages: Map<number, RememberedMessage> = new Map();

  constructor(streams: DeflateStreams, settings: CompressionSettings) {
    this.#streams = streams;
    this.#settings = settings;
  }

  get isContinuous(): boolean {
    return this.#streams.isContinuous;
  }

  /** Returns a stream with an empty window. */
  acquireDeflater(windowBits: number): DeflateStream {
    const { level, memoryLevel } = this.#settings;
    return this.#idleDeflaters.get(windowBits)?.pop() ??
      this.#streams.deflater(windowBits, level, memoryLevel);
  }

  /** The memory that a deflater takes, in bytes. */
  deflaterSize(windowBits: number): number {
    return deflaterSize(windowBits, this.#settings.memoryLevel);
  }

  releaseDeflater(windowBits: number, stream: DeflateStream): void {
    release(this.#idleDeflaters, windowBits, stream);
  }

  /** Returns a stream with an empty window. */
  acquireInflater(windowBits: number): DeflateStream {
    return this.#idleInflaters.get(windowBits)?.pop() ?? this.#streams.inflater(windowBits);
  }

  releaseInflater(windowBits: number, stream: DeflateStream): void {
    release(this.#idleInflaters, windowBits, stream);
  }

  /** The last message compressed with this window, independently of others. */
  lastMessage(windowBits: number): RememberedMessage {
    let last = this.#lastMessages.get(windowBits);
    if (last === undefined) {
      this.#lastMessages.set(windowBits, last = new RememberedMessage(MAX_VIEW_LENGTH));
    }
    return last;
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
