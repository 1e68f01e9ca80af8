/** Numbers for people. */

/** Writes a time of the soak, given in milliseconds: `"1:05"`. */
export function timeOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Writes a duration in milliseconds: `"0.41 ms"`, `"12.3 ms"`, `"412 ms"`. */
export function ms(duration: number): string {
  return `${duration.toFixed(duration < 10 ? 2 : duration < 100 ? 1 : 0)} ms`;
}

/** The median; 0 of nothing. */
export function median(values: number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1]) / 2;
}
