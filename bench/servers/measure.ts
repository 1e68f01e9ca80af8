/**
 * Measures one cell: a server in a process of its own, and the load generator in another.
 *
 * @module
 */

import { type Bench, runLoad, withServers } from "../harness/programs.ts";
import { OFFERS, type ServerCompression } from "./compression.ts";
import type { LoadReport, LoadTask } from "./load/result.ts";
import type { Cell } from "./plan.ts";

/** What came of it, and what the server told of itself. */
export interface Measurement {
  report: LoadReport;
  detail: string;
}

/** Longer than anything takes that still works. */
const DEADLINE_MS = 120_000;
const LOAD = new URL("load/main.ts", import.meta.url);

/** Tells what the server does, and what clients offer, so that the cell is what it is about. */
function compressionOf({ workload, server }: Cell): { done: ServerCompression; offer: string } {
  const { compression } = workload;
  if (compression !== undefined) return { done: compression, offer: OFFERS[compression] };
  const { unusedCompression } = server;
  return {
    done: unusedCompression === undefined ? "off" : "defaults",
    offer: unusedCompression === "offered" ? OFFERS["no-takeover"] : "",
  };
}

/** Starts a server, measures it, and ends it. */
export async function measure(bench: Bench, cell: Cell): Promise<Measurement> {
  const { workload, server } = cell;
  const { runtime, variant, env } = server;
  const program = new URL(`peers/${server.program}`, import.meta.url);
  const { done, offer } = compressionOf(cell);
  const args = [workload.kind, variant, done];
  try {
    return await withServers(bench, [{ runtime, program, args, env }], async ([running]) => {
      const { pid, port, detail } = running;
      const { warmUpMs, measureMs } = bench;
      const raw = server.family === "raw";
      const task: LoadTask = { workload, port, pid, raw, offer, warmUpMs, measureMs };
      return { report: await runLoad<LoadReport>(bench, LOAD, task, DEADLINE_MS), detail };
    });
  } catch (error) {
    return { report: { error: (error as Error).message }, detail: "" };
  }
}
