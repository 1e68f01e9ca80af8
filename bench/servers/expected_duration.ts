/**
 * How long a measurement takes.
 *
 * @module
 */

import type { Bench } from "../harness/programs.ts";
import type { Workload, WorkloadKind } from "./workloads.ts";

/** What it takes to start the server and the generator. */
const START_SECONDS = 0.4;
/** What is not measured for a given time: waiting for memory to settle, or a message of a given size. */
const FIXED_SECONDS: Partial<Record<WorkloadKind, number>> = {
  idle: 3,
  subscribed: 3,
  memory: 3.2,
  large: 1.2,
  "keep-alive": 5,
};
const SECONDS_PER_CONNECTION = 0.00015;

/** Tells about how long a workload takes for one server and round, in seconds. */
export function expectedSeconds({ warmUpMs, measureMs }: Bench, workload: Workload): number {
  const { kind, connections } = workload;
  const measuring = FIXED_SECONDS[kind] ?? (warmUpMs + measureMs) / 1000;
  return START_SECONDS + measuring + connections * SECONDS_PER_CONNECTION;
}
