/**
 * Bytes without end that can be told from any that are lost, doubled or out of place.
 *
 * @module
 */

/** One period of the pattern: a multiple of 4 long, as masking wants it, and of no buffer's size. */
export const patternChunk: Uint8Array = createPattern(65_524);

function createPattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Checks that the pieces given to it, joined, are the pattern over and over. */
export class PatternChecker {
  #position = 0;

  check(piece: Uint8Array): void {
    for (let i = 0; i < piece.length;) {
      const size = Math.min(piece.length - i, patternChunk.length - this.#position);
      if (!isSame(piece, i, this.#position, size)) throw new Error("the echo is not what was sent");
      i += size;
      this.#position = (this.#position + size) % patternChunk.length;
    }
  }
}

function isSame(piece: Uint8Array, start: number, position: number, size: number): boolean {
  for (let i = 0; i < size; i++) if (piece[start + i] !== patternChunk[position + i]) return false;
  return true;
}
