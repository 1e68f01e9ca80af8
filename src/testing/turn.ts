import { setTimeout } from "../timers.ts";

const NOTHING = new Uint8Array(0);

/** Waits for a turn of the event loop: pending events and timers of 0 ms run meanwhile. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Waits for some turns of the event loop, so that the consequences of pending events happen, too. Opening
 * handshakes proceed: their digests come from other threads, in the order in which they were begun.
 */
export async function runTurns(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) {
    await crypto.subtle.digest("SHA-1", NOTHING);
    await turn();
  }
}
