/** Numbers for people. */

const MiB = 1024 * 1024;

/** Writes a size: `"12.3 MiB"`. */
export function mib(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}

/** Writes a time of the soak, given in milliseconds: `"1:05"`. */
export function timeOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Writes a duration in milliseconds: `"0.41 ms"`, `"12.3 ms"`, `"412 ms"`. */
export function ms(duration: number): string {
  return `${duration.toFixed(duration < 10 ? 2 : duration < 100 ? 1 : 0)} ms`;
}
