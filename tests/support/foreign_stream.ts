import { runInNewContext } from "node:vm";

/** A stream of another class, as plain as one can be, which gives these chunks of another realm. */
export function foreignStream(...chunks: number[][]): ReadableStream<Uint8Array> {
  return runInNewContext(`({
    locked: false,
    chunks: ${JSON.stringify(chunks)}.map((chunk) => Uint8Array.from(chunk)),
    getReader() {
      this.locked = true;
      const { chunks } = this;
      return {
        read: async () => ({ done: chunks.length === 0, value: chunks.shift() }),
        cancel: async () => {},
      };
    },
  })`);
}
