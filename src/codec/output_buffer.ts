const SLAB_SIZE = 64 * 1024;
const MIN_BLOCK_SIZE = 1024;
const EMPTY = new Uint8Array(0);

// One slab is lent to whichever buffer begins to write while nobody has it; what it did not use of
// it comes back when its output is taken. So an idle buffer owns no memory, and small writes one
// after another, of all buffers, cost one allocation a slab. Buffers that fill side by side (a
// broadcast) find the slab lent, and use small blocks of their own.
let slab: Uint8Array = EMPTY;
/** Where in the slab the part begins that nobody has used. */
let slabStart = 0;
let slabIsLent = false;
/** Who took output out of the slab last, while nobody else has been lent it since; and where from. */
let lastTaker: OutputBuffer | undefined;
let lastTakenStart = 0;

/**
 * Gathers output: small pieces are copied behind one another, large ones are kept by reference in
 * between. The result is a list of chunks for one gather write.
 */
export class OutputBuffer {
  #chunks: Uint8Array[] = [];
  /** The bytes in `#chunks`. */
  #chunksLength = 0;
  #block: Uint8Array = EMPTY;
  #ownsSlab = false;
  /** Where in the block the part begins that is not in `#chunks` yet. */
  #start = 0;

  /**
   * Where in the block the next octet goes. Whoever has reserved room writes octets there and moves
   * it on.
   */
  position = 0;

  /** The block that {@linkcode OutputBuffer.reserve} made room in. */
  get block(): Uint8Array {
    return this.#block;
  }

  /** The number of bytes gathered and not yet taken. */
  get byteLength(): number {
    return this.#chunksLength + this.position - this.#start;
  }

  /** Makes room for `length` octets behind one another in the block. */
  reserve(length: number): void {
    if (this.#block.length - this.position >= length) return;
    const written = this.byteLength;
    this.#closeChunk();
    if (this.#ownsSlab || (written === 0 && !slabIsLent && length <= SLAB_SIZE)) {
      if (this.#ownsSlab || slab.length - slabStart < length) {
        slab = new Uint8Array(Math.max(length, SLAB_SIZE));
        slabStart = 0;
      }
      this.#block = slab;
      this.#start = this.position = slabStart;
      this.#ownsSlab = slabIsLent = true;
      lastTaker = undefined;
    } else {
      this.#block = new Uint8Array(
        Math.max(length, MIN_BLOCK_SIZE, Math.min(written, SLAB_SIZE)),
      );
      this.#start = this.position = 0;
    }
  }

  /** Adds a piece without copying it. It must not change until it has been written out. */
  appendReference(piece: Uint8Array): void {
    this.#closeChunk();
    this.#chunks.push(piece);
    this.#chunksLength += piece.length;
  }

  /** Hands over everything gathered, in order, and begins anew. */
  take(): Uint8Array[] {
    this.#closeChunk();
    if (this.#ownsSlab) {
      lastTaker = this;
      lastTakenStart = slabStart;
      slabStart = this.position;
      this.#ownsSlab = slabIsLent = false;
    } else if (lastTaker === this) {
      lastTaker = undefined; // What it took before may not be written yet.
    }
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunksLength = 0;
    this.#block = EMPTY;
    this.#start = this.position = 0;
    return chunks;
  }

  /** Uses the memory of what was taken last again, where that has been written at once. */
  recycle(): void {
    if (lastTaker !== this) return;
    lastTaker = undefined;
    slabStart = lastTakenStart;
  }

  #closeChunk(): void {
    if (this.position === this.#start) return;
    this.#chunks.push(this.#block.subarray(this.#start, this.position));
    this.#chunksLength += this.position - this.#start;
    this.#start = this.position;
  }
}
