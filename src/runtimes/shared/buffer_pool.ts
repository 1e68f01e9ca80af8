/**
 * Buffers to read into and to gather output in, for runtimes whose calls take a buffer. A pending read holds its
 * buffer, and most connections have one most of the time, so its buffer should be small. Large transfers need
 * large buffers. The size of the next buffer therefore follows that of the last read.
 */

/** The sizes of buffers, in bytes. */
const SIZES = [2048, 16_384, 65_536, 262_144] as const;
/** How many bytes of free buffers of each size the pool retains: allocating costs more than reading. */
const MAX_FREE_SIZE = 1_048_576;

const freeBuffers: Uint8Array[][] = SIZES.map(() => []);

/** An index of `SIZES`. */
export type BufferSize = 0 | 1 | 2 | 3;

export const MAX_BUFFER_SIZE: number = SIZES[3];

/** Takes a buffer from the pool. Its contents are undefined. */
export function borrowBuffer(size: BufferSize): Uint8Array {
  return freeBuffers[size]!.pop() ?? new Uint8Array(SIZES[size]);
}

/** Returns a buffer to the pool. No reference to it may remain. */
export function returnBuffer(buffer: Uint8Array, size: BufferSize): void {
  const free = freeBuffers[size]!;
  if ((free.length + 1) * buffer.length <= MAX_FREE_SIZE) free.push(buffer);
}

/** Gives the size of the smallest buffer for `length` bytes; the largest size if none is large enough. */
export function bufferSizeFor(length: number): BufferSize {
  return length <= SIZES[0] ? 0 : length <= SIZES[1] ? 1 : length <= SIZES[2] ? 2 : 3;
}

/** Gives the size of the buffer for the next read. If the last read filled its buffer, it is larger. */
export function nextBufferSize(read: number, size: BufferSize): BufferSize {
  return bufferSizeFor(read === SIZES[size] ? read + 1 : read);
}
