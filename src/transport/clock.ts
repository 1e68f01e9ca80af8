import { clearTimeout, monotonicNow, setTimeout } from "../timers.ts";

/** The time, as the connection and the server see it. Tests bring one that they move by hand. */
export interface Clock {
  /** The milliseconds since a moment that stays the same. */
  now(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Cancels what {@linkcode Clock.setTimeout} returned. */
  clearTimeout(timer: unknown): void;
}

/** What a clock has. */
export const CLOCK_METHODS: readonly (keyof Clock)[] = ["now", "setTimeout", "clearTimeout"];

/** The clock of the machine. */
export const systemClock: Clock = {
  now: monotonicNow,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as number),
};
