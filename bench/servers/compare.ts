/**
 * Compares this checkout's server with that of another one: `deno task bench:compare FOLDER [OPTION]...`,
 * where FOLDER is a clone of this repository in which `deno task setup` has run. Both servers run at the same
 * time, on one core, and have the load by turns, a fraction of a second each: ratios come out the same
 * within two per cent on machines where times differ by a third. The options:
 *
 * - `--runtime NAME`: node26, bun or deno; may be given more than once. Default: all.
 * - `--workload WORD`: an echo, a fan-out or the handshakes of `bench:servers`, such as `64x1x32`, or
 *   `64x1x1K:utf8` with a payload; may be given more than once. Default: `64x1x32`, `8x64x32` and `4x4x64K`.
 * - `--style NAME`: callback, iteration, streams or messages, and publish for a fan-out; may be given more
 *   than once. Default: callback.
 * - `--times N`: how many pairs of processes; the median counts. Default: 3.
 *
 * @module
 */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { findRuntime } from "../../tools/runtimes.ts";
import { setup } from "../../tools/setup.ts";
import { endWithSignals, start } from "../harness/children.ts";
import { OFFERS } from "./compression.ts";
import { type Cores, findCores } from "../harness/cores.ts";
import type { CompareTask, Slices } from "./load/compare.ts";
import { readAnnouncement, RUN } from "./measure.ts";
import type { RuntimeId } from "./servers.ts";
import { summarize } from "../harness/statistics.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

const SLICE_MS = 60;
const SLICES = 25;
const WARM_UP_SLICES = 15;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: "string", multiple: true, default: ["node26", "bun", "deno"] },
    workload: { type: "string", multiple: true, default: ["64x1x32", "8x64x32", "4x4x64K"] },
    style: { type: "string", multiple: true, default: ["callback"] },
    times: { type: "string", default: "3" },
  },
});

function chooseWorkload(word: string): Workload {
  const [id, payload] = word.split(":");
  const choice = WORKLOADS.filter(({ kind }) => ["echo", "fan-out", "handshake"].includes(kind));
  const workload = choice.find((each) =>
    each.id === id && (payload === undefined || each.payload === payload)
  );
  if (workload !== undefined) return workload;
  const words = new Set(choice.map((each) => each.id));
  throw new RangeError(`Cannot compare "${word}": it is one of ${[...words].join(", ")}`);
}

/** What is compared, and where the two checkouts are. */
interface Pair {
  runtime: RuntimeId;
  executable: string;
  bun: string;
  style: string;
  workload: Workload;
  folders: string[];
}

/** Measures two new processes, started in the order given. */
async function measurePair(cores: Cores, pair: Pair): Promise<Slices> {
  const { runtime, executable, bun, style, workload, folders } = pair;
  const compression = workload.compression ?? "off";
  const children: Deno.ChildProcess[] = [];
  const servers: CompareTask["servers"] = [];
  try {
    for (const folder of folders) {
      const path = `${folder}/bench/servers/peers/sluice.ts`;
      const command = [executable, ...RUN[runtime], path, workload.kind, style, compression];
      const child = start(cores.server(command));
      children.push(child);
      const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      servers.push({ port: (await readAnnouncement(output)).port, pid: child.pid });
    }
    const task: CompareTask = {
      workload,
      offer: workload.compression === undefined ? "" : OFFERS[workload.compression],
      servers,
      sliceMs: SLICE_MS,
      slices: SLICES,
      warmUpSlices: WARM_UP_SLICES,
    };
    const program = new URL("load/compare.ts", import.meta.url).pathname;
    const load = start(cores.generator([bun, "run", program, JSON.stringify(task)]));
    const { stdout, success } = await load.output();
    if (!success) throw new Error("Cannot compare: the load generator failed");
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    for (const child of children) {
      child.kill("SIGKILL");
      await child.status;
    }
  }
}

/** Compares with pairs of processes that are started now in one order, now in the other. */
async function compare(cores: Cores, pair: Pair, times: number): Promise<string> {
  const here: number[] = [], there: number[] = [], ratios: number[] = [];
  for (let i = 0; i < times; i++) {
    const isSwapped = i % 2 === 1;
    const folders = isSwapped ? [...pair.folders].reverse() : pair.folders;
    const slices = await measurePair(cores, { ...pair, folders });
    const [a, b] = isSwapped ? [1, 0] : [0, 1];
    here.push(summarize(slices.map((slice) => slice[a])).median);
    there.push(summarize(slices.map((slice) => slice[b])).median);
    ratios.push(summarize(slices.map((slice) => slice[a] / slice[b])).median);
  }
  const { median, min, max } = summarize(ratios);
  const [ownUs, otherUs] = [here, there].map((each) => summarize(each).median.toPrecision(3));
  return `${ownUs} us, there ${otherUs}: ${median.toFixed(3)} (${min.toFixed(3)} to ${
    max.toFixed(3)
  })`;
}

async function main(): Promise<void> {
  const times = Number(values.times);
  if (positionals.length !== 1 || !Number.isSafeInteger(times) || times < 1) {
    throw new RangeError("usage: deno task bench:compare FOLDER [--runtime NAME] [--times N] ...");
  }
  await setup();
  endWithSignals();
  const here = resolve(import.meta.dirname!, "../..");
  const folders = [here, resolve(positionals[0])];
  const cores = await findCores();
  const bun = (await findRuntime("bun")).executable;
  console.log(`server CPU time for each message, here and in ${folders[1]}; ${cores.description}`);
  for (const name of values.runtime) {
    const runtime = name as RuntimeId;
    const { executable } = await findRuntime(name);
    for (const style of values.style) {
      for (const workload of values.workload.map(chooseWorkload)) {
        const pair = { runtime, executable, bun, style, workload, folders };
        console.log(
          `${name} ${style} ${workload.id} ${workload.payload}: ${await compare(
            cores,
            pair,
            times,
          )}`,
        );
      }
    }
  }
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  Deno.exit(1);
}
