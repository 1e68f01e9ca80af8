import type { CompressionSettings } from "./compression_options.ts";
import type { DeflateStream, DeflateStreams } from "./deflate_stream.ts";
import { RememberedMessage } from "./remembered_message.ts";
import { deflaterSize } from "./stream_sizes.ts";

/** How many idle streams are kept for each window size. */
const MAX_IDLE = 4;

/** The streams of one direction. */
class StreamPool {
  readonly #create: (windowBits: number) => DeflateStream;
  readonly #idle: Map<number, DeflateStream[]> = new Map();

  constructor(create: (windowBits: number) => DeflateStream) {
    this.#create = create;
  }

  /** Returns a stream with an empty window. */
  acquire(windowBits: number): DeflateStream {
    return this.#idle.get(windowBits)?.pop() ?? this.#create(windowBits);
  }

  release(windowBits: number, stream: DeflateStream): void {
    let idle = this.#idle.get(windowBits);
    if (idle === undefined) this.#idle.set(windowBits, idle = []);
    if (idle.length >= MAX_IDLE) return stream.close();
    stream.reset();
    idle.push(stream);
  }
}

/** Idle streams, and the last compressed message, which may be sent to many. Connections of like settings share them. */
export class DeflatePool {
  readonly isContinuous: boolean;
  readonly deflaters: StreamPool;
  readonly inflaters: StreamPool;
  readonly #memoryLevel: number;
  readonly #lastMessages: Map<number, RememberedMessage> = new Map();

  constructor(streams: DeflateStreams, { level, memoryLevel }: CompressionSettings) {
    this.isContinuous = streams.isContinuous;
    this.deflaters = new StreamPool((bits) => streams.deflater(bits, level, memoryLevel));
    this.inflaters = new StreamPool((bits) => streams.inflater(bits));
    this.#memoryLevel = memoryLevel;
  }

  deflaterSize(windowBits: number): number {
    return deflaterSize(windowBits, this.#memoryLevel);
  }

  /** The last message compressed with this window, independently of others. */
  lastMessage(windowBits: number): RememberedMessage {
    let last = this.#lastMessages.get(windowBits);
    if (last === undefined) this.#lastMessages.set(windowBits, last = new RememberedMessage());
    return last;
  }
}
