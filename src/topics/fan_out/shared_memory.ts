import type { SharedFrames } from "../../connection/fan_out.ts";

/** Counts the memory that the connections of a server share. */
export class SharedTally {
  readonly #onChange: ((change: number) => void) | undefined;
  #size = 0;

  /** @param onChange Is called with each change, in bytes. */
  constructor(onChange?: (change: number) => void) {
    this.#onChange = onChange;
  }

  /** The bytes that are held. */
  get size(): number {
    return this.#size;
  }

  /** Counts bytes. */
  count(change: number): void {
    this.#size += change;
    this.#onChange?.(change);
  }
}

/** Memory with several holders. It counts once, from the first `hold` to the last `release`. */
export class SharedMemory {
  /** Its size in bytes, without its parts. */
  readonly size: number;
  readonly #tally: SharedTally;
  readonly #parts: readonly SharedMemory[] | undefined;
  #holders = 0;
  #isCountedElsewhere = false;

  /**
   * @param size See {@linkcode SharedMemory.size}.
   * @param parts Memory that it refers to, which may have other holders.
   */
  constructor(size: number, tally: SharedTally, parts?: readonly SharedMemory[]) {
    this.size = size;
    this.#tally = tally;
    this.#parts = parts;
  }

  /** Whether it has holders. */
  get isHeld(): boolean {
    return this.#holders > 0;
  }

  /** Adds a holder. */
  hold(): void {
    if (this.#holders++ > 0) return;
    if (!this.#isCountedElsewhere) this.#tally.count(this.size);
    this.#parts?.forEach((part) => part.hold());
  }

  /** Removes a holder. */
  release(): void {
    if (--this.#holders > 0) return;
    if (!this.#isCountedElsewhere) this.#tally.count(-this.size);
    this.#parts?.forEach((part) => part.release());
  }

  /** Sets whether it is counted elsewhere, whatever its holders. */
  set isCountedElsewhere(is: boolean) {
    if (this.isHeld && is !== this.#isCountedElsewhere) {
      this.#tally.count(is ? -this.size : this.size);
    }
    this.#isCountedElsewhere = is;
  }
}

/** The cost of frames besides their bytes: measured, 250 to 500 bytes. */
const FRAMES_COST = 320;

/** The frames of one or more published messages, and the memory that they take. */
export class PublishedFrames extends SharedMemory implements SharedFrames {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;

  /**
   * @param ownLength The number of bytes that are in no part.
   * @param parts The memory of the other bytes.
   */
  constructor(
    chunks: readonly Uint8Array[],
    length: number,
    ownLength: number,
    tally: SharedTally,
    parts?: readonly SharedMemory[],
  ) {
    super(ownLength + FRAMES_COST, tally, parts);
    this.chunks = chunks;
    this.length = length;
  }
}
