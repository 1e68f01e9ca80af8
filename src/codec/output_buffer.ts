const SLAB_SIZE = 64 * 1024;
const MIN_BLOCK_SIZE = 1024;
// What was read mostly begins near the beginning of a page: for many processors it takes several
// times as long to copy between places that lie nearly the same in their pages.
const FIRST_POSITION = 2048;
const EMPTY = new Uint8Array(0);
/** The chunks of all buffers that have none. */
const NO_CHUNKS: Uint8Array[] = [];

// All buffers write into one slab, behind one another, whoever has something to write: so an idle
// buffer owns no memory, and many small pieces of output cost one allocation a slab. But what is
// not taken soon goes on in blocks of its own: each piece would keep another slab from being freed.
let slab: Uint8Array = EMPTY;
/** Where in the slab the part begins that nobody has used; while somebody writes, where he began. */
let slabStart = 0;
/** Who writes into the slab. */
let writer: OutputBuffer | undefined;
/** Who took output out of the slab last, with nobody writing since; and where that began. */
let lastTaker: OutputBuffer | undefined;
let lastTakenStart = 0;

/**
 * Gathers output: small pieces are copied behind one another, large ones are kept by reference in
 * between. The result is a list of chunks for one gather write.
 */
export class OutputBuffer {
  #chunks: Uint8Array[] = NO_CHUNKS;
  /** The bytes in `#chunks`. */
  #chunksLength = 0;
  /** The slab while this is its writer, or a block of its own. */
  #block: Uint8Array = EMPTY;
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
    if (length > SLAB_SIZE - FIRST_POSITION || (writer !== this && written > 0)) {
      if (writer === this) this.#leaveSlab();
      else this.#leaveBlock();
      this.#block = new Uint8Array(
        Math.max(length, MIN_BLOCK_SIZE, Math.min(written, SLAB_SIZE)),
      );
      return;
    }
    if (writer !== undefined) writer.#leaveSlab();
    if (slab.length - slabStart < length) {
      slab = new Uint8Array(SLAB_SIZE);
      slabStart = FIRST_POSITION;
    }
    writer = this;
    lastTaker = undefined;
    this.#block = slab;
    this.#start = this.position = slabStart;
  }

  /** Adds a piece without copying it. It must not change until it has been written out. */
  appendReference(piece: Uint8Array): void {
    this.#closeChunk();
    this.#addChunk(piece);
  }

  /** Hands over everything gathered, in order, and begins anew. */
  take(): Uint8Array[] {
    if (writer === this) {
      const start = slabStart;
      this.#leaveSlab();
      lastTaker = this;
      lastTakenStart = start;
    } else {
      this.#leaveBlock();
      // What it took before may not be written yet.
      if (lastTaker === this) lastTaker = undefined;
    }
    const chunks = this.#chunks;
    this.#chunks = NO_CHUNKS;
    this.#chunksLength = 0;
    return chunks;
  }

  /** Uses the memory of what was taken last again, where that has been written at once. */
  recycle(): void {
    if (lastTaker !== this) return;
    lastTaker = undefined;
    slabStart = lastTakenStart;
  }

  /** Lets somebody else write into the slab. */
  #leaveSlab(): void {
    slabStart = this.position;
    writer = undefined;
    this.#leaveBlock();
  }

  #leaveBlock(): void {
    this.#closeChunk();
    this.#block = EMPTY;
    this.#start = this.position = 0;
  }

  #closeChunk(): void {
    if (this.position === this.#start) return;
    this.#addChunk(this.#block.subarray(this.#start, this.position));
    this.#start = this.position;
  }

  #addChunk(chunk: Uint8Array): void {
    if (this.#chunks === NO_CHUNKS) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
    this.#chunksLength += chunk.length;
  }
}
