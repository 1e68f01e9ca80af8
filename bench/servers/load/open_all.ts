/**
 * Opens many connections.
 *
 * @module
 */

import { LoadConnection, type Target } from "./connection.ts";

/** How many are opened at a time: less than the backlog of any server. */
const OPENING = 64;

/** Opens connections, a few at a time. */
export async function openAll(target: Target, count: number): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = [];
  while (connections.length < count) {
    const batch = Math.min(OPENING, count - connections.length);
    const opening = Array.from({ length: batch }, () => LoadConnection.open(target));
    connections.push(...await Promise.all(opening));
  }
  return connections;
}
