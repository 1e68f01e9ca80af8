import { giveTurnsBy } from "../../connection/turns.ts";
import { setImmediate } from "../../timers.ts";

// Node and Bun check all sockets between two calls of `setImmediate`; Deno does so only from time to time.
if (!("Deno" in globalThis)) giveTurnsBy(setImmediate);

/** Calls back when the bytes that have arrived at all sockets have been delivered. Not for Deno. */
export function afterArrivals(callback: () => void): void {
  setImmediate(callback);
}
