/**
 * Counts of durations, in buckets that grow with them.
 *
 * @module
 */

/** How many buckets there are between a power of two and the next: an error of 3 % at most. */
const STEPS_LOG2 = 5;
const STEPS = 1 << STEPS_LOG2;

/** Counts durations, in constant memory and without a comparison each. */
export class Histogram {
  readonly #counts: Uint32Array<ArrayBuffer> = new Uint32Array(32 * STEPS);
  #total = 0;

  /** Counts one: whole microseconds from 0 to 2^31 - 1. */
  record(us: number): void {
    this.#counts[indexOf(us)]++;
    this.#total++;
  }

  /** Forgets all of them. */
  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** The least duration that `fraction` of them don't exceed, in microseconds; 0 where there are none. */
  quantile(fraction: number): number {
    let left = Math.ceil(this.#total * fraction);
    for (let i = 0; i < this.#counts.length && left > 0; i++) {
      left -= this.#counts[i];
      if (left <= 0) return lastOf(i);
    }
    return 0;
  }
}

function indexOf(us: number): number {
  if (us < STEPS) return us;
  const octave = 31 - Math.clz32(us) - STEPS_LOG2;
  return (octave << STEPS_LOG2) + (us >> octave);
}

/** The largest duration that falls into a bucket. */
function lastOf(index: number): number {
  if (index < STEPS) return index;
  const octave = (index >> STEPS_LOG2) - 1;
  return ((index - (octave << STEPS_LOG2) + 1) * 2 ** octave) - 1;
}
