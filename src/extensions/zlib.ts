import { type DeflateStreams, streamOutput } from "./deflate_stream.ts";
import { createHandleStreams, type ZlibStreamFunctions } from "./handle_streams.ts";
import { createOneShotStreams, type ZlibOneShotFunctions } from "./one_shot_streams.ts";

/** @throws {Error} If the runtime has no `node:zlib`, or one that works differently. */
export async function loadDeflateStreams(): Promise<DeflateStreams> {
  return chooseDeflateStreams(await import("node:zlib"));
}

/**
 * Chooses the streams over the handles of `node:zlib` if these work as expected, and otherwise those over its
 * documented functions. Handles are not documented, so a future version of a runtime may not have them.
 *
 * @throws {Error} If neither work.
 */
export function chooseDeflateStreams(zlib: unknown): DeflateStreams {
  try {
    return tryOut(createHandleStreams(zlib as ZlibStreamFunctions));
  } catch {
    try {
      return tryOut(createOneShotStreams(zlib as ZlibOneShotFunctions));
    } catch (cause) {
      throw new Error("Cannot use this runtime's node:zlib for compression", { cause });
    }
  }
}

/** Compresses and decompresses some bytes, once at the start of their memory, and once behind another byte. */
function tryOut(streams: DeflateStreams): DeflateStreams {
  const deflater = streams.deflater(15, 6, 8);
  const inflater = streams.inflater(15);
  try {
    const text = Uint8Array.of(72, 101, 108, 108, 111);
    const compressed = streamOutput.slice(0, deflater.step(text, 0, text.length));
    for (const start of [0, 1]) {
      const bytes = Uint8Array.of(...[0xff].slice(0, start), ...compressed);
      const size = inflater.step(bytes, start, bytes.length);
      const result = streamOutput.subarray(0, size);
      const isSame = result.length === text.length && result.every((byte, i) => byte === text[i]);
      if (!isSame || inflater.consumed !== compressed.length) {
        throw new Error("it gave other bytes");
      }
      // A second flush must give nothing: that is how it is detected that there is no more output.
      if (streams.isContinuous && deflater.step(text, 0, 0) !== 0) {
        throw new Error("it gave bytes without input");
      }
      inflater.reset();
    }
    return streams;
  } finally {
    deflater.close();
    inflater.close();
  }
}
