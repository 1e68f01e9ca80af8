/**
 * What the runtime waits and tells the time by, as it was when this module was loaded. Programs that are
 * tested replace these globals (the fake timers of sinon, jest, vitest and `node:test`): connections go on
 * all the same. Nothing else in `src/` names the globals.
 *
 * @module
 */

const { performance, Date } = globalThis;
// Not only the objects are replaced, but also these functions of theirs.
const { now: readClock } = performance;
const { now: readDate } = Date;

/** The global `setTimeout`. */
export const setTimeout: typeof globalThis.setTimeout = globalThis.setTimeout;
/** The global `clearTimeout`. */
export const clearTimeout: typeof globalThis.clearTimeout = globalThis.clearTimeout;
/** The global `setInterval`. */
export const setInterval: typeof globalThis.setInterval = globalThis.setInterval;
/** The global `clearInterval`. */
export const clearInterval: typeof globalThis.clearInterval = globalThis.clearInterval;
/** The global `setImmediate`. */
export const setImmediate: typeof globalThis.setImmediate = globalThis.setImmediate;
/** The global `queueMicrotask`. */
export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;

/** The milliseconds since the process began, by a clock that is never set. */
export function monotonicNow(): number {
  return readClock.call(performance);
}

/** The milliseconds since 1970, by the clock of the machine. */
export function dateNow(): number {
  return readDate.call(Date);
}

/** Reads a date of HTTP; NaN where it is none. */
export function parseDate(text: string): number {
  return Date.parse(text);
}

/** Writes a date as HTTP has it. */
export function formatDate(time: number): string {
  return new Date(time).toUTCString();
}
