/**
 * Waits until a server runs as fast as it will.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Meter } from "./meter.ts";
import type { LoadTask } from "./result.ts";

const STEP_MS = 100;
/** How much longer it may take where others use the core too, or the load is little. */
const PATIENCE = 3;

/** Waits until the server has worked for a while: compilers get ready by work, not by time. */
export async function warmUp({ pid, warmUpMs }: LoadTask): Promise<void> {
  const meter = new Meter(pid);
  for (;;) {
    await sleep(STEP_MS);
    const { seconds, serverUs = seconds * 1e6 } = meter.read();
    if (serverUs / 1000 >= warmUpMs || seconds * 1000 >= PATIENCE * warmUpMs) return;
  }
}
