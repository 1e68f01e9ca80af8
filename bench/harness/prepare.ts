/**
 * Finds the runtimes, the packages, the cores, and what the machine is.
 *
 * @module
 */

import { findRuntime } from "../../tools/runtimes.ts";
import type { Arguments } from "./arguments.ts";
import { findCores } from "./cores.ts";
import type { Bench, RuntimeId } from "./programs.ts";

/** What was measured on. */
export interface Facts {
  date: string;
  machine: string;
  /** Where what ran. */
  pinning: string;
  runtimes: Record<RuntimeId, string>;
  packages: Record<string, string>;
  rounds: number;
  seconds: number;
}

/** What is needed to measure, and what is told of it. */
export interface Prepared {
  bench: Bench;
  facts: Facts;
}

/** Tells people what was measured on, with more versions if need be. */
export function describeFacts(facts: Facts, more: string[] = []): string {
  const { machine, runtimes, packages, date, rounds, pinning } = facts;
  const versions = [
    ...Object.values(runtimes),
    ...more,
    ...Object.entries(packages).map(([name, version]) => `${name} ${version}`),
  ];
  const median = rounds === 1 ? "one round" : `median of ${rounds} rounds`;
  return `${machine}; ${pinning}; ${versions.join(", ")}; ${median}; ${date}`;
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
export async function prepare({ rounds, seconds, quick, generator }: Arguments): Promise<Prepared> {
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
      generator,
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
