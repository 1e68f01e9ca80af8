/**
 * Connections that are opened, and stay without a message: what memory each takes.
 *
 * @module
 */

import type { LoadConnection, Target } from "./connection.ts";
import { measureMemory } from "./measure_memory.ts";
import { openAll } from "./open_all.ts";
import type { LoadResult, LoadTask } from "./result.ts";

/** Opens the connections, and compares the resident memory after with that before. */
export function loadIdle(
  task: LoadTask,
  target: Target,
  onOpen: (connections: LoadConnection[]) => void,
): Promise<LoadResult> {
  const open = async () => {
    onOpen(await openAll(target, task.workload.connections));
    return 1;
  };
  return measureMemory(task, open);
}
