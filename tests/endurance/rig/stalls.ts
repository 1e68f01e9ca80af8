/**
 * Measures how long the event loop of this process is kept.
 *
 * @module
 */

import { waitedForCore } from "./process_status.ts";

const INTERVAL_MS = 5;

/** The time, less that in which the process had work to do and no core to do it on. */
function now(): number {
  return performance.now() - waitedForCore("self");
}

/** Begins to measure. */
export function watchStalls(): { takeLongest(): number } {
  let longest = 0;
  let last = now();
  const look = () => {
    const time = now();
    longest = Math.max(longest, time - last - INTERVAL_MS);
    last = time;
    const timer = setTimeout(look, INTERVAL_MS);
    if (typeof timer === "object") timer.unref();
  };
  look();
  return {
    /** Gives the longest time since it was asked last, in milliseconds. */
    takeLongest() {
      const taken = longest;
      longest = 0;
      return taken;
    },
  };
}
