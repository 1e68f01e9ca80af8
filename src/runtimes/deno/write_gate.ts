/**
 * Limits the number of writes in flight. In a pass, Deno's event loop completes up to 128 operations, but
 * polls all the others, too: 10,000 writes begun at once cost three times as much as the same writes in
 * batches.
 */

import { Fifo } from "../../fifo.ts";
import { systemTurns } from "../../connection/turns.ts";

/** How many writes may be in flight. With fewer, a pass of the event loop would complete too few. */
const MAX_IN_FLIGHT = 256;

/** The writes begun since the gate was last reset. */
export interface Batch {
  inFlight: number;
}

let batch: Batch = { inFlight: 0 };
const waiting: Fifo<() => void> = new Fifo();
let isResetting = false;

export function isGateFull(): boolean {
  return batch.inFlight >= MAX_IN_FLIGHT;
}

/** Calls back when a write may begin, in the order of the calls. */
export function whenGateOpens(begin: () => void): void {
  waiting.push(begin);
  if (!isResetting) void resetWhileWaiting();
}

export function enterGate(): Batch {
  batch.inFlight++;
  return batch;
}

/** Counts a write that was taken or failed, so that another one may begin. */
export function leaveGate(entered: Batch): void {
  entered.inFlight--;
  if (entered === batch && waiting.length > 0) admit();
}

function admit(): void {
  while (!isGateFull() && waiting.length > 0) waiting.shift()!();
}

/** After one turn, writes still in flight belong to slow peers: stops counting them. */
async function resetWhileWaiting(): Promise<void> {
  isResetting = true;
  while (waiting.length > 0) {
    await systemTurns.next();
    batch = { inFlight: 0 };
    admit();
  }
  isResetting = false;
}
