/**
 * The little statistics there is.
 *
 * @module
 */

/** The middle of some numbers, and how far they are apart. */
export interface Summary {
  median: number;
  min: number;
  max: number;
}

/**
 * Sums numbers up; the median of an even count is the mean of the two in the middle.
 *
 * @throws {RangeError} Where there are no numbers.
 */
export function summarize(numbers: readonly number[]): Summary {
  if (numbers.length === 0) throw new RangeError("Cannot sum up no numbers: there is no median");
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}
