/**
 * Bounds how many writes are begun at once. Deno's event loop completes up to 128 of what is ready in
 * a pass, and then looks at all the rest in vain: 10,000 writes at once cost three times as much as
 * the same in portions.
 *
 * @module
 */

import { Fifo } from "../../fifo.ts";
import { systemTurns } from "../../connection/turns.ts";

/** How many writes may be under way. Fewer would have the loop turn for too few of them. */
const MAX_UNDER_WAY = 256;

/** Writes that were begun since the last time the gate was cleared. */
export interface Portion {
  underWay: number;
}

let portion: Portion = { underWay: 0 };
const waiting: Fifo<() => void> = new Fifo();
let isClearing = false;

/** Whether a write has to wait for others. */
export function isGateFull(): boolean {
  return portion.underWay >= MAX_UNDER_WAY;
}

/** Calls back when a write may begin: in the order in which they came. */
export function whenGateOpens(begin: () => void): void {
  waiting.push(begin);
  if (!isClearing) void clear();
}

/** Counts a write that begins. */
export function enterGate(): Portion {
  portion.underWay++;
  return portion;
}

/** Counts a write that was taken, or failed, of what `enterGate` gave; another one may begin. */
export function leaveGate(entered: Portion): void {
  entered.underWay--;
  if (entered === portion && waiting.length > 0) admit();
}

function admit(): void {
  while (!isGateFull() && waiting.length > 0) waiting.shift()!();
}

/** Has those that still wait not wait for what is under way: after a turn, that is slow peers'. */
async function clear(): Promise<void> {
  isClearing = true;
  while (waiting.length > 0) {
    await systemTurns.next();
    portion = { underWay: 0 };
    admit();
  }
  isClearing = false;
}
