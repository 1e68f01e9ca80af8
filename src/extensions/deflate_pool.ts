import type { CompressionSettings } from "./compression_options.ts";
import type { DeflateStream, DeflateStreams } from "./deflate_stream.ts";
import { RememberedMessage } from "./remembered_message.ts";
import { deflaterSize } from "./stream_sizes.ts";

/** How many streams of a kind are kept for the next message that needs one. */
const MAX_IDLE = 4;

/** What is longer than this, compressed, is no view of memory that is used again. */
export const MAX_VIEW_LENGTH: number = 16 * 1024;

/**
 * Shared by the connections with the same settings: streams that are idle, and the
 * message that was compressed last, since it may go out to many.
 */
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

  /** See {@linkcode DeflateStreams.isContinuous}. */
  get isContinuous(): boolean {
    return this.#streams.isContinuous;
  }

  /** Gives a stream that begins with an empty window. */
  acquireDeflater(windowBits: number): DeflateStream {
    const { level, memoryLevel } = this.#settings;
    return this.#idleDeflaters.get(windowBits)?.pop() ??
      this.#streams.deflater(windowBits, level, memoryLevel);
  }

  /** The memory that such a stream takes, in bytes. */
  deflaterSize(windowBits: number): number {
    return deflaterSize(windowBits, this.#settings.memoryLevel);
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

  /** The message that was compressed last with this window, without others before it. */
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
