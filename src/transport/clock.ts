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

/** Resolves or rejects as `promise` does, or resolves to `late` after `ms` milliseconds. */
export async function within<T, const Late>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  late: Late,
): Promise<T | Late> {
  let timer: unknown;
  const timeout = new Promise<Late>((resolve) => {
    timer = clock.setTimeout(() => resolve(late), ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clock.clearTimeout(timer);
  }
}
