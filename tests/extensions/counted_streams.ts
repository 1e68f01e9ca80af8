import { type DeflateStream, DeflateStreams } from "../../src/extensions/zlib.ts";

/** Streams, of which it is known how many there are. */
export class CountedStreams {
  readonly #streams: DeflateStreams;
  /** How many were created and not closed. */
  live = 0;
  /** How many were created. */
  created = 0;

  static async load(): Promise<CountedStreams> {
    return new CountedStreams(await DeflateStreams.load());
  }

  private constructor(streams: DeflateStreams) {
    this.#streams = streams;
  }

  /** This, as a pool takes it. */
  get asStreams(): DeflateStreams {
    return this as unknown as DeflateStreams;
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
