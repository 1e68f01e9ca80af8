/**
 * Buffers to read into and to gather output in, for runtimes that want one handed to each call.
 *
 * A read that waits holds its buffer, and most connections wait most of the time: so the buffers
 * that wait should be small. But a large transfer wants large ones. The size of the next buffer
 * therefore follows that of the last read.
 *
 * @module
 */

/** The sizes there are, in bytes. */
const sizes = [2048, 16_384, 65_536, 262_144] as const;
/** How many bytes of each size are kept for later: allocating costs more than reading. */
const keptSize = 1_048_576;

const spares: Uint8Array[][] = sizes.map(() => []);

/** The size of a buffer, as an index. */
export type BufferSize = 0 | 1 | 2 | 3;

/** The size of the largest buffer, in bytes. */
export const MAX_BUFFER_SIZE: number = sizes[3];

/** Takes a buffer of a size. Its content is anything. */
export function borrowBuffer(size: BufferSize): Uint8Array {
  return spares[size]!.pop() ?? new Uint8Array(sizes[size]);
}

/** Gives a buffer of that size back, when nobody refers to it any more. */
export function returnBuffer(buffer: Uint8Array, size: BufferSize): void {
  const kept = spares[size]!;
  if ((kept.length + 1) * buffer.length <= keptSize) kept.push(buffer);
}

/** Tells which is the smallest buffer for so many bytes; the largest, where there is none. */
export function bufferSizeFor(length: number): BufferSize {
  return length <= sizes[0] ? 0 : length <= sizes[1] ? 1 : length <= sizes[2] ? 2 : 3;
}

/**
 * Tells which buffer suits the next read.
 *
 * @param read How many bytes the last read brought.
 * @param size The size of its buffer, which grows where it was filled.
 */
export function nextBufferSize(read: number, size: BufferSize): BufferSize {
  return bufferSizeFor(read === sizes[size] ? read + 1 : read);
}
