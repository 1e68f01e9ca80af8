/**
 * Measures one cell: a broker, two servers and the load generator, each in a process of its own.
 *
 * @module
 */

import { type Bench, runLoad, withServers } from "../harness/programs.ts";
import { startBroker } from "./broker_process.ts";
import { type BrokerCell, SIZE } from "./candidates.ts";
import type { BrokerReport, BrokerTask } from "./task.ts";

/** Longer than anything takes that still works. */
const DEADLINE_MS = 60_000;
const LOAD = new URL("load.ts", import.meta.url);

/** Starts everything, measures, and ends it. */
export async function measure(bench: Bench, cell: BrokerCell): Promise<BrokerReport> {
  const { warmUpMs, measureMs, cores } = bench;
  const { candidate, shape } = cell;
  const { runtime, broker: kind, dialect } = candidate;
  try {
    await using broker = await startBroker(kind, cores.generator);
    const program = new URL(`programs/${candidate.program}`, import.meta.url);
    const server = { runtime, program, args: [kind, `${broker.port}`] };
    return await withServers(bench, [server, server], ([a, b]) => {
      const task: BrokerTask = {
        ...shape,
        dialect,
        size: SIZE,
        ports: [a.port, b.port],
        servers: [a.pid, b.pid],
        broker: broker.pid,
        warmUpMs,
        measureMs,
      };
      return runLoad<BrokerReport>(bench, LOAD, task, DEADLINE_MS);
    });
  } catch (error) {
    return { error: (error as Error).message };
  }
}
