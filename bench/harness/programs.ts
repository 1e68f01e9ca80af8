/**
 * The programs that are measured, and those that measure.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { start } from "./children.ts";
import type { Cores } from "./cores.ts";

/** A runtime, by the name `tools/runtimes.ts` has for it. */
export type RuntimeId = "node26" | "bun" | "deno";

/** What all benchmarks measure with. */
export interface Bench {
  cores: Cores;
  executables: Record<RuntimeId, string>;
  warmUpMs: number;
  measureMs: number;
  /** The command of a load generator to use instead of a benchmark's own. */
  generator?: string[] | undefined;
}

const START_DEADLINE_MS = 20_000;

/** What each runtime is told before the program. */
const RUN: Record<RuntimeId, string[]> = {
  node26: ["--disable-warning=ExperimentalWarning"],
  bun: ["run"],
  deno: ["run", "--allow-all", "--no-check", "--quiet"],
};

/** A server that runs. */
export interface RunningServer {
  pid: number;
  port: number;
  /** What it told of itself. */
  detail: string;
}

/** Starts servers on their core, one after the other, lets them be used, and ends them. */
export async function withServers<T>(
  { cores, executables }: Pick<Bench, "cores" | "executables">,
  servers: {
    runtime: RuntimeId;
    program: string | URL;
    args: string[];
    env?: Record<string, string>;
  }[],
  use: (servers: RunningServer[]) => Promise<T>,
): Promise<T> {
  const running: { child: Deno.ChildProcess; output: ReadableStreamDefaultReader<string> }[] = [];
  try {
    const told: RunningServer[] = [];
    for (const { runtime, program, args, env } of servers) {
      const command = [executables[runtime], ...RUN[runtime], pathOf(program), ...args];
      const child = start(cores.server(command), env);
      const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      running.push({ child, output });
      told.push({ pid: child.pid, ...await readAnnouncement(output) });
    }
    return await use(told);
  } finally {
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(running.map(({ output }) => output.cancel()));
    await Promise.all(running.map(({ child }) => child.status));
  }
}

function pathOf(program: string | URL): string {
  return typeof program === "string" ? program : fileURLToPath(program);
}

/** Reads where a server listens from what it prints first. */
async function readAnnouncement(
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

/**
 * Runs a load generator on its core: it is given a task, and prints its report. `program` is one for Bun, and
 * runs unless another one is to be used.
 */
export async function runLoad<Report>(
  { cores, executables, generator }: Pick<Bench, "cores" | "executables" | "generator">,
  program: URL,
  task: unknown,
  deadlineMs: number,
): Promise<Report> {
  const command = generator ?? [executables.bun, ...RUN.bun, pathOf(program)];
  return await readReport(start(cores.generator([...command, JSON.stringify(task)])), deadlineMs);
}

/** Runs a program of a runtime on a core: it is given a task, and prints its report. */
export async function runProgram<Report>(
  onCore: (command: string[]) => string[],
  executables: Bench["executables"],
  runtime: RuntimeId,
  program: URL,
  task: unknown,
  deadlineMs: number,
): Promise<Report> {
  const command = [executables[runtime], ...RUN[runtime], pathOf(program), JSON.stringify(task)];
  return await readReport(start(onCore(command)), deadlineMs);
}

async function readReport<Report>(child: Deno.ChildProcess, deadlineMs: number): Promise<Report> {
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  try {
    const { stdout, code } = await child.output();
    if (code !== 0) throw new Error(`the program ended with status ${code}`);
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    clearTimeout(timer);
  }
}
