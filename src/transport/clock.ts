import { clearTimeout, monotonicNow, setTimeout } from "../timers.ts";

/** The time and timers of connections and servers. Tests use a clock that they advance. */
export interface Clock {
  /** The milliseconds since a fixed moment. */
  now(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Cancels a timer of {@linkcode Clock.setTimeout}. */
  clearTimeout(timer: unknown): void;
}

/** The methods of a clock. */
export const CLOCK_METHODS: readonly (keyof Clock)[] = ["now", "setTimeout", "clearTimeout"];

/** The system's clock. */
export const systemClock: Clock = {
  now: monotonicNow,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as number),
};
