/**
 * Opens many connections.
 *
 * @module
 */

import { LoadConnection, type Target } from "./connection.ts";

/** How many are opened at a time: less than the backlog of any server. */
const OPENING = 64;

/** How many messages are between those that connections begin with. */
const STRIDE = 7;

/** Opens connections, a few at a time. */
export async function openAll(target: Target, count: number): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = [];
  while (connections.length < count) {
    const batch = Math.min(OPENING, count - connections.length);
    const first = connections.length;
    // Each begins with another message, far from that of the one before.
    const opening = Array.from(
      { length: batch },
      (_, i) => LoadConnection.open(target, (first + i) * STRIDE),
    );
    connections.push(...await Promise.all(opening));
  }
  return connections;
}
