/**
 * Numbers for people.
 *
 * @module
 */

/** Three digits that count: `0.912`, `12.6`, `1,755`. */
export function formatNumber(number: number): string {
  if (number >= 100) return Math.round(number).toLocaleString("en");
  const digits = number >= 10 ? 1 : number >= 1 ? 2 : 3;
  return number.toFixed(digits);
}

/** A size in the unit that suits it. */
export function formatSize(bytes: number): string {
  const mib = bytes / 1024 / 1024;
  return mib >= 1 ? `${formatNumber(mib)} MiB` : `${formatNumber(bytes / 1024)} KiB`;
}
