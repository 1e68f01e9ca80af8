/**
 * Finds the runtimes, the packages, the cores, and what the machine is.
 *
 * @module
 */

import { findRuntime } from "../../tools/runtimes.ts";
import type { Arguments } from "./arguments.ts";
import { findCores } from "./cores.ts";
import type { Bench } from "../servers/measure.ts";
import type { Results } from "../servers/results.ts";

/** What is needed to measure, and what is told of it. */
export interface Prepared {
  bench: Bench;
  facts: Omit<Results, "rows">;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}

async function describeMachine(): Promise<string> {
  const model = /^model name\s*: (.+)$/m.exec(await readIfThere("/proc/cpuinfo"))?.[1];
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const cpu = `${navigator.hardwareConcurrency} cores of ${model ?? Deno.build.arch}`;
  return `${cpu}, ${memory} GiB, ${Deno.build.os} ${Deno.osRelease()}`;
}

async function readVersion(name: string): Promise<string> {
  const path = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await Deno.readTextFile(path)).version;
}

/** Gets ready. */
export async function prepare({ rounds, seconds, quick }: Arguments): Promise<Prepared> {
  const [node26, bun, deno] = await Promise.all(["node26", "bun", "deno"].map(findRuntime));
  const [ws, bufferutil, crossws] = await Promise.all(
    ["ws", "bufferutil", "crossws"].map(readVersion),
  );
  const cores = await findCores();
  return {
    bench: {
      cores,
      executables: { node26: node26.executable, bun: bun.executable, deno: deno.executable },
      warmUpMs: quick ? 400 : 1000,
      measureMs: seconds * 1000,
    },
    facts: {
      date: new Date().toISOString().slice(0, 10),
      machine: await describeMachine(),
      pinning: cores.description,
      runtimes: { node26: node26.label, bun: bun.label, deno: deno.label },
      packages: { ws, bufferutil, crossws },
      rounds,
      seconds,
    },
  };
}
