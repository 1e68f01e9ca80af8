/**
 * The timers and clocks of the runtime, captured when this module is loaded. Fake timers (of sinon, jest,
 * vitest and `node:test`) replace these globals; connections must not stop with them. No other module in
 * `src/` uses the globals.
 *
 * @module
 */

const { performance, Date } = globalThis;
// Fake timers replace these methods, too.
const { now: readClock } = performance;
const { now: readDate } = Date;

export const setTimeout: typeof globalThis.setTimeout = globalThis.setTimeout;
export const clearTimeout: typeof globalThis.clearTimeout = globalThis.clearTimeout;
export const setInterval: typeof globalThis.setInterval = globalThis.setInterval;
export const clearInterval: typeof globalThis.clearInterval = globalThis.clearInterval;
/** The global `setImmediate`, by a type that programs without those of Node have, too. */
export const setImmediate: (callback: () => void) => unknown = globalThis.setImmediate;
export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;

/** Milliseconds since the process began, by a monotonic clock. */
export function monotonicNow(): number {
  return readClock.call(performance);
}

/** Milliseconds since 1970, by the clock of the machine. */
export function dateNow(): number {
  return readDate.call(Date);
}

/** Parses an HTTP date to milliseconds since 1970; NaN if it is invalid. */
export function parseDate(text: string): number {
  return Date.parse(text);
}

/** Formats a time as an HTTP date (RFC 9110, section 5.6.7). */
export function formatDate(time: number): string {
  return new Date(time).toUTCString();
}

/** The longest duration, in milliseconds: past it, every runtime's timers fire at once. */
export const MAX_DURATION_MS: number = 2 ** 31 - 1;
