import { setTimeout } from "../timers.ts";

const NOTHING = new Uint8Array(0);

/** Lets the event loop turn: what is ready, and timers of 0 milliseconds, happen meanwhile. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Lets the event loop turn some times, so that what follows from what was ready happens too. Opening
 * handshakes go on: digests come from other threads, and those that were begun before come first.
 */
export async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) {
    await crypto.subtle.digest("SHA-1", NOTHING);
    await turn();
  }
}
