import type { SharedFrames } from "../../connection/fan_out.ts";

/** Counts the memory that the connections of a server hold in common. */
export class SharedTally {
  readonly #onChange: ((change: number) => void) | undefined;
  #size = 0;

  /** @param onChange Is told by how many bytes it has changed. */
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

/** Memory that several hold. It counts once, from the first that holds it until the last lets go of it. */
export class SharedMemory {
  /** How many bytes it takes, without its parts. */
  readonly size: number;
  readonly #tally: SharedTally;
  readonly #parts: readonly SharedMemory[] | undefined;
  #holders = 0;
  #isCountedElsewhere = false;

  /**
   * @param size See {@linkcode SharedMemory.size}.
   * @param parts What it refers to, and others may hold too.
   */
  constructor(size: number, tally: SharedTally, parts?: readonly SharedMemory[]) {
    this.size = size;
    this.#tally = tally;
    this.#parts = parts;
  }

  /** Whether anybody holds it. */
  get isHeld(): boolean {
    return this.#holders > 0;
  }

  /** Holds it, once more for each call. */
  hold(): void {
    if (this.#holders++ > 0) return;
    if (!this.#isCountedElsewhere) this.#tally.count(this.size);
    this.#parts?.forEach((part) => part.hold());
  }

  /** Lets go of it. */
  release(): void {
    if (--this.#holders > 0) return;
    if (!this.#isCountedElsewhere) this.#tally.count(-this.size);
    this.#parts?.forEach((part) => part.release());
  }

  /** Notes whether something else counts it, whoever holds it. */
  set isCountedElsewhere(is: boolean) {
    if (this.isHeld && is !== this.#isCountedElsewhere) {
      this.#tally.count(is ? -this.size : this.size);
    }
    this.#isCountedElsewhere = is;
  }
}

/** What frames cost besides their bytes: measured, 250 to 500 bytes. */
const FRAMES_COST = 320;

/** The frames of one or more published messages, and the memory that they take. */
export class PublishedFrames extends SharedMemory implements SharedFrames {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;

  /**
   * @param ownLength How many of the bytes are in no part.
   * @param parts What the other bytes are in.
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
