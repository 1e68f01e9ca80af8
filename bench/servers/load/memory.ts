/**
 * Connections that have sent a message and got it back: what memory each takes from then on.
 *
 * @module
 */

import type { LoadConnection, Target } from "./connection.ts";
import { measureMemory } from "./measure_memory.ts";
import { openAll } from "./open_all.ts";
import type { LoadResult, LoadTask } from "./result.ts";

/** Opens the connections, and has a message on each, one connection after the other. */
export function loadMemory(
  task: LoadTask,
  target: Target,
  onOpen: (connections: LoadConnection[]) => void,
): Promise<LoadResult> {
  const { connections: count, size } = task.workload;
  const exchange = async () => {
    const connections = await openAll(target, count);
    onOpen(connections);
    for (const connection of connections) {
      const { promise, resolve } = Promise.withResolvers<void>();
      connection.receiveReplies = () => resolve();
      connection.send(1);
      await promise;
    }
    return connections.reduce((sum, { payloadSize }) => sum + payloadSize, 0) / count / size;
  };
  return measureMemory(task, exchange);
}
