import { copyBytes } from "./byte_collector.ts";

/**
 * Copies chunks into one array.
 *
 * @param length Their total length, in bytes.
 */
export function concatBytes(
  chunks: readonly Uint8Array[],
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let position = 0;
  for (const chunk of chunks) {
    copyBytes(chunk, 0, chunk.length, bytes, position);
    position += chunk.length;
  }
  return bytes;
}
