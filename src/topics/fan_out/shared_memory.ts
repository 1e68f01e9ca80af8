import type { SharedFrames } from "../../connection/fan_out.ts";

/** Counts the memory that the connections of a server share. */
export class SharedTally {
  readonly #onChange: ((change: number) => void) | undefined;
  size = 0;

  /** @param onChange Called with each change, in bytes. */
  constructor(onChange?: (change: number) => void) {
    this.#onChange = onChange;
  }

  count(change: number): void {
    this.size += change;
    this.#onChange?.(change);
  }
}

/** Memory with several holders, which is counted once, from the first `hold` to the last `release`. */
export class SharedMemory {
  /** Its size in bytes, without its parts. */
  readonly size: number;
  readonly #tally: SharedTally;
  readonly #parts: readonly SharedMemory[] | undefined;
  #holders = 0;
  #isCountedElsewhere = false;

  /** @param parts Memory that it refers to, which may have other holders. */
  constructor(size: number, tally: SharedTally, parts?: readonly SharedMemory[]) {
    this.size = size;
    this.#tally = tally;
    this.#parts = parts;
  }

  hold(): void {
    if (this.#holders++ > 0) return;
    if (!this.#isCountedElsewhere) this.#tally.count(this.size);
    this.#parts?.forEach((part) => part.hold());
  }

  release(): void {
    if (--this.#holders > 0) return;
    if (!this.#isCountedElsewhere) this.#tally.count(-this.size);
    this.#parts?.forEach((part) => part.release());
  }

  /** Whether it is counted elsewhere, so that its holders do not count it here. */
  set isCountedElsewhere(is: boolean) {
    if (this.#holders > 0 && is !== this.#isCountedElsewhere) {
      this.#tally.count(is ? -this.size : this.size);
    }
    this.#isCountedElsewhere = is;
  }
}

/** The cost of frames besides their bytes, in bytes: measured, 250 to 500. */
const FRAMES_COST = 320;

/** The frames of one or more published messages, and their memory. */
export class PublishedFrames extends SharedMemory implements SharedFrames {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;

  /** @param ownLength How many bytes are not in the memory of a part. */
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
