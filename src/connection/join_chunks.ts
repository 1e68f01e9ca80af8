/**
 * Makes one chunk of many, for what has no gather write.
 *
 * @module
 */

/**
 * Copies chunks into one.
 *
 * @param chunks The chunks.
 * @param size The size of all of them together.
 */
export function joinChunks(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const joined = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.length;
  }
  return joined;
}
