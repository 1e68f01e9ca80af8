import type { DeflateStream, DeflateStreams } from "../../src/extensions/deflate_stream.ts";
import { loadDeflateStreams } from "../../src/extensions/zlib.ts";

/** Streams, of which it is known how many there are. */
export class CountedStreams implements DeflateStreams {
  readonly #streams: DeflateStreams;
  /** How many were created and not closed. */
  live = 0;
  /** How many were created. */
  created = 0;

  static async load(): Promise<CountedStreams> {
    return new CountedStreams(await loadDeflateStreams());
  }

  private constructor(streams: DeflateStreams) {
    this.#streams = streams;
  }

  get isContinuous(): boolean {
    return this.#streams.isContinuous;
  }

  deflater(windowBits: number, level: number, memoryLevel: number): DeflateStream {
    return this.#count(this.#streams.deflater(windowBits, level, memoryLevel));
  }

  inflater(windowBits: number): DeflateStream {
    return this.#count(this.#streams.inflater(windowBits));
  }

  #count(stream: DeflateStream): DeflateStream {
    const close = stream.close.bind(stream);
    stream.close = () => {
      this.live--;
      close();
    };
    this.live++;
    this.created++;
    return stream;
  }
}
