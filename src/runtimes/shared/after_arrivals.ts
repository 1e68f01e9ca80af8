/**
 * Tells when what has arrived at sockets was delivered, for runtimes that deliver from each socket in
 * a turn of its own: Node and Bun.
 *
 * @module
 */

import { setImmediate } from "../../timers.ts";

/** Calls back when all sockets that had something to read have been dealt with. */
export function afterArrivals(callback: () => void): void {
  setImmediate(callback);
}
