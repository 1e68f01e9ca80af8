import { allocate } from "./native.ts";

const SLAB_SIZE = 64 * 1024;
const MIN_BLOCK_SIZE = 1024;
/** Blocks from this size on are used again, as long as those that wait for it are no larger together. */
const MIN_SPARE_SIZE = 16 * 1024;
const MAX_SPARES_SIZE = 3 * 1024 * 1024;
// Most input begins near the beginning of a page, and many processors copy several times slower between
// addresses that are nearly equal modulo the size of a page.
const FIRST_POSITION = 2048;
const EMPTY = new Uint8Array(0);
/** Shared by all buffers without chunks. */
const NO_CHUNKS: Uint8Array[] = [];

// All buffers write into one slab, one after another: so an idle buffer owns no memory, and many small pieces of
// output cost one allocation a slab. A buffer that is not taken soon continues in blocks of its own, since
// each of its pieces would keep another slab in memory.
let slab: Uint8Array = EMPTY;
/** The start of the unused part of the slab, or of what its writer has written. */
let slabStart = 0;
/** The buffer that writes into the slab at present. */
let writer: OutputBuffer | undefined;
/** The buffer whose output was taken out of the slab last, if none wrote since; and its position. */
let lastTaker: OutputBuffer | undefined;
let lastTakenStart = 0;

/** Blocks whose output has been written out, the latest one last. */
const spares: Uint8Array[] = [];
let sparesSize = 0;

function takeSpare(length: number): Uint8Array | undefined {
  const spare = spares[spares.length - 1];
  if (spare === undefined || spare.length < length || spare.length > 4 * length) return undefined;
  spares.pop();
  sparesSize -= spare.length;
  return spare;
}

function addSpare(block: Uint8Array): void {
  if (block.length < MIN_SPARE_SIZE || block.length > MAX_SPARES_SIZE) return;
  spares.push(block);
  sparesSize += block.length;
  while (sparesSize > MAX_SPARES_SIZE) sparesSize -= spares.shift()!.length;
}

/** Buffers output as chunks for one gather write: small pieces are copied together, large ones are referenced. */
export class OutputBuffer {
  #chunks: Uint8Array[] = NO_CHUNKS;
  /** The bytes in `#chunks`. */
  #chunksLength = 0;
  /** The memory in which `reserve` made room: the slab while this is its writer, or a block of its own. */
  block: Uint8Array = EMPTY;
  /** The start of the part of the block that is not in `#chunks` yet. */
  #start = 0;
  /** The last block of its own in the output taken last. */
  #takenBlock: Uint8Array = EMPTY;

  /** The position of the next octet in the block. A caller that reserved room writes there and advances it. */
  position = 0;

  /** The number of bytes buffered and not yet taken. */
  get byteLength(): number {
    return this.#chunksLength + this.position - this.#start;
  }

  /** Makes room for `length` contiguous octets in the block. */
  reserve(length: number): void {
    if (this.block.length - this.position >= length) return;
    const written = this.byteLength;
    if (length > SLAB_SIZE - FIRST_POSITION || (writer !== this && written > 0)) {
      this.reserveBlock(Math.max(length, MIN_BLOCK_SIZE, Math.min(written, SLAB_SIZE)));
      return;
    }
    if (writer !== undefined) writer.#leaveSlab();
    if (slab.length - slabStart < length) {
      slab = new Uint8Array(SLAB_SIZE);
      slabStart = FIRST_POSITION;
    }
    writer = this;
    lastTaker = undefined;
    this.block = slab;
    this.#start = this.position = slabStart;
  }

  /** Makes room in a block of its own. */
  reserveBlock(length: number): void {
    if (writer === this) this.#leaveSlab();
    else this.#leaveBlock();
    this.block = takeSpare(length) ?? allocate(length);
  }

  /** Appends a piece without copying it. It must not change until it has been written out. */
  appendReference(piece: Uint8Array): void {
    this.#closeChunk();
    this.#addChunk(piece);
  }

  /** Returns everything buffered, in order, and empties the buffer. */
  take(): Uint8Array[] {
    if (writer === this) {
      const start = slabStart;
      this.#leaveSlab();
      this.#takenBlock = EMPTY;
      lastTaker = this;
      lastTakenStart = start;
    } else {
      this.#takenBlock = this.block;
      this.#leaveBlock();
      // Its output taken before may not be written yet, so that memory can't be reused any more.
      if (lastTaker === this) lastTaker = undefined;
    }
    const chunks = this.#chunks;
    this.#chunks = NO_CHUNKS;
    this.#chunksLength = 0;
    return chunks;
  }

  /** Makes the memory of the output taken last available again; it must have been written out. */
  recycle(): void {
    if (this.#takenBlock !== EMPTY) addSpare(this.#takenBlock);
    this.#takenBlock = EMPTY;
    if (lastTaker !== this) return;
    lastTaker = undefined;
    slabStart = lastTakenStart;
  }

  /** Leaves the slab to others. */
  #leaveSlab(): void {
    slabStart = this.position;
    writer = undefined;
    this.#leaveBlock();
  }

  #leaveBlock(): void {
    this.#closeChunk();
    this.block = EMPTY;
    this.#start = this.position = 0;
  }

  #closeChunk(): void {
    if (this.position === this.#start) return;
    this.#addChunk(this.block.subarray(this.#start, this.position));
    this.#start = this.position;
  }

  #addChunk(chunk: Uint8Array): void {
    if (this.#chunks === NO_CHUNKS) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
    this.#chunksLength += chunk.length;
  }
}
