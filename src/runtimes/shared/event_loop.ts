/**
 * The turns of the event loop on Node and Bun, which check all sockets between two calls of `setImmediate`.
 * Deno does so only from time to time.
 *
 * @module
 */

import { giveTurnsBy } from "../../connection/turns.ts";
import { setImmediate } from "../../timers.ts";

if (!("Deno" in globalThis)) giveTurnsBy(setImmediate);

/** Calls back when the bytes that have arrived at all sockets have been delivered. Not for Deno. */
export function afterArrivals(callback: () => void): void {
  setImmediate(callback);
}
