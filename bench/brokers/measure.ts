/**
 * Measures one cell: a broker, two servers and the load generator, each in a process of its own.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { start } from "../harness/children.ts";
import { type Bench, readAnnouncement, RUN } from "../servers/measure.ts";
import { startBroker } from "./broker_process.ts";
import { type BrokerCell, SIZE } from "./candidates.ts";
import type { BrokerReport, BrokerTask } from "./task.ts";

/** Longer than anything takes that still works. */
const DEADLINE_MS = 60_000;

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/** Starts everything, measures, and ends it. */
export async function measure(
  { cores, executables, warmUpMs, measureMs }: Bench,
  { candidate, shape }: BrokerCell,
): Promise<BrokerReport> {
  const { runtime, program, broker: kind, dialect } = candidate;
  try {
    await using broker = await startBroker(kind, cores.generator);
    const path = pathOf(`programs/${program}`);
    const command = [executables[runtime], ...RUN[runtime], path, kind, `${broker.port}`];
    const children = [command, command].map((each) => start(cores.server(each)));
    const outputs = children.map(({ stdout }) =>
      stdout.pipeThrough(new TextDecoderStream()).getReader()
    );
    try {
      const [a, b] = await Promise.all(outputs.map(readAnnouncement));
      const task: BrokerTask = {
        ...shape,
        dialect,
        size: SIZE,
        ports: [a.port, b.port],
        servers: [children[0].pid, children[1].pid],
        broker: broker.pid,
        warmUpMs,
        measureMs,
      };
      const load = [executables.bun, "run", pathOf("load.ts"), JSON.stringify(task)];
      return await runLoad(cores.generator(load));
    } finally {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(outputs.map((output) => output.cancel()));
      await Promise.all(children.map(({ status }) => status));
    }
  } catch (error) {
    return { error: (error as Error).message };
  }
}

async function runLoad(command: string[]): Promise<BrokerReport> {
  const child = start(command);
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  try {
    const { stdout, code } = await child.output();
    if (code !== 0) throw new Error(`the load generator ended with status ${code}`);
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    clearTimeout(timer);
  }
}
