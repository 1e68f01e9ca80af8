/**
 * Measures one cell: a server in a process of its own, and the load generator in another.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { start } from "../harness/children.ts";
import { OFFERS, type ServerCompression } from "./compression.ts";
import type { Cores } from "../harness/cores.ts";
import type { LoadReport, LoadTask } from "./load/result.ts";
import type { Cell } from "./plan.ts";
import type { RuntimeId } from "./servers.ts";

/** What all cells are measured with. */
export interface Bench {
  cores: Cores;
  executables: Record<RuntimeId, string>;
  warmUpMs: number;
  measureMs: number;
}

/** What came of it, and what the server told of itself. */
export interface Measurement {
  report: LoadReport;
  detail: string;
}

/** Longer than anything takes that still works. */
const DEADLINE_MS = 120_000;
const START_DEADLINE_MS = 20_000;

/** What each runtime is told before the program. */
export const RUN: Record<RuntimeId, string[]> = {
  node26: ["--disable-warning=ExperimentalWarning"],
  bun: ["run"],
  deno: ["run", "--allow-all", "--no-check", "--quiet"],
};

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

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
  const { runtime, program, variant, env } = server;
  const path = pathOf(`peers/${program}`);
  const { done, offer } = compressionOf(cell);
  const args = [workload.kind, variant, done];
  const command = [bench.executables[runtime], ...RUN[runtime], path, ...args];
  const child = start(bench.cores.server(command), env);
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    const { port, detail } = await readAnnouncement(output);
    const task: LoadTask = {
      workload,
      port,
      pid: child.pid,
      raw: server.family === "raw",
      offer,
      warmUpMs: bench.warmUpMs,
      measureMs: bench.measureMs,
    };
    return { report: await runLoad(bench, task), detail };
  } catch (error) {
    return { report: { error: (error as Error).message }, detail: "" };
  } finally {
    child.kill("SIGKILL");
    await output.cancel();
    await child.status;
  }
}

/** Reads where a server listens from what it prints first. */
export async function readAnnouncement(
  output: ReadableStreamDefaultReader<string>,
): Promise<{ port: number; detail: string }> {
  let text = "";
  const timer = setTimeout(() => void output.cancel(), START_DEADLINE_MS);
  try {
    while (!text.includes("\n")) {
      const { value, done } = await output.read();
      if (done) throw new Error("the server does not start");
      text += value;
    }
  } finally {
    clearTimeout(timer);
  }
  const match = /^listening on port (\d+) (.*)$/m.exec(text);
  if (match === null) throw new Error(`the server prints ${JSON.stringify(text)}`);
  return { port: Number(match[1]), detail: match[2] };
}

async function runLoad(bench: Bench, task: LoadTask): Promise<LoadReport> {
  const program = pathOf("load/main.ts");
  const command = [bench.executables.bun, "run", program, JSON.stringify(task)];
  const child = start(bench.cores.generator(command));
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  try {
    const { stdout, code } = await child.output();
    if (code !== 0) throw new Error(`the load generator ended with status ${code}`);
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    clearTimeout(timer);
  }
}
