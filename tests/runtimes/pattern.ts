/**
 * Bytes of which both ends know, at any position, what they should be.
 *
 * @module
 */

// A prime, so that the pattern does not repeat in step with any buffer.
const period = 65_521;
const table = new Uint8Array(period);
for (let i = 0, state = 1; i < period; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  table[i] = state >>> 16;
}

/** Gives `size` bytes of the pattern, from position `offset` on. */
export function patternBytes(offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const start = (offset + filled) % period;
    const part = table.subarray(start, start + Math.min(period - start, size - filled));
    bytes.set(part, filled);
    filled += part.length;
  }
  return bytes;
}

/** Checks bytes against the pattern, as they come. */
export class PatternCheck {
  /** How many bytes came. */
  size = 0;
  /** Whether all of them were as they should be. */
  intact = true;

  /** Takes the next bytes. */
  push(bytes: Uint8Array): void {
    const expected = patternBytes(this.size, bytes.length);
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== expected[i]) this.intact = false;
    }
    this.size += bytes.length;
  }
}
