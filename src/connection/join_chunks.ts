/**
 * Makes few chunks of many, for what has no gather write.
 *
 * @module
 */

/** Up to this size, copying chunks together is cheaper than handing them over one by one. */
const joinedSize = 65_536;

/**
 * Joins neighbouring chunks, as long as they are small together.
 *
 * @param chunks The chunks.
 * @returns The same bytes in the same order. Chunks that were not joined are not copied.
 */
export function joinSmallChunks(chunks: Uint8Array[]): Uint8Array[] {
  if (chunks.length === 1) return chunks;
  const runs: Uint8Array[] = [];
  for (let start = 0, end = 0; start < chunks.length; start = end) {
    let size = chunks[end++].length;
    while (end < chunks.length && size + chunks[end].length <= joinedSize) {
      size += chunks[end++].length;
    }
    runs.push(end - start === 1 ? chunks[start] : joinChunks(chunks.slice(start, end), size));
  }
  return runs;
}

/**
 * Copies chunks into one.
 *
 * @param chunks The chunks.
 * @param size The size of all of them together.
 */
export function joinChunks(chunks: Uint8Array[], size: number): Uint8Array {
  const joined = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.length;
  }
  return joined;
}
