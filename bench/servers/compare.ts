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
import { endWithSignals } from "../harness/children.ts";
import { findCores } from "../harness/cores.ts";
import { type Bench, runLoad, type RuntimeId, withServers } from "../harness/programs.ts";
import { summarize } from "../harness/statistics.ts";
import { OFFERS } from "./compression.ts";
import type { CompareTask, Slices } from "./load/compare.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

const SLICE_MS = 60;
const SLICES = 25;
const WARM_UP_SLICES = 15;
/** Longer than anything takes that still works. */
const DEADLINE_MS = 120_000;

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
  style: string;
  workload: Workload;
  folders: string[];
}

type Programs = Pick<Bench, "cores" | "executables">;

/** Measures two new processes, started in the order given. */
function measurePair(programs: Programs, pair: Pair): Promise<Slices> {
  const { runtime, style, workload, folders } = pair;
  const args = [workload.kind, style, workload.compression ?? "off"];
  const servers = folders.map((folder) => ({
    ...{ runtime, args },
    program: `${folder}/bench/servers/peers/sluice.ts`,
  }));
  return withServers(programs, servers, (running) => {
    const task: CompareTask = {
      workload,
      offer: workload.compression === undefined ? "" : OFFERS[workload.compression],
      servers: running.map(({ port, pid }) => ({ port, pid })),
      sliceMs: SLICE_MS,
      slices: SLICES,
      warmUpSlices: WARM_UP_SLICES,
    };
    const program = new URL("load/compare.ts", import.meta.url);
    return runLoad<Slices>(programs, program, task, DEADLINE_MS);
  });
}

/** Compares with pairs of processes that are started now in one order, now in the other. */
async function compare(programs: Programs, pair: Pair, times: number): Promise<string> {
  const here: number[] = [], there: number[] = [], ratios: number[] = [];
  for (let i = 0; i < times; i++) {
    const isSwapped = i % 2 === 1;
    const folders = isSwapped ? [...pair.folders].reverse() : pair.folders;
    const slices = await measurePair(programs, { ...pair, folders });
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
  const ids: RuntimeId[] = ["node26", "bun", "deno"];
  const found = await Promise.all(ids.map(findRuntime));
  const [node26, bun, deno] = found.map(({ executable }) => executable);
  const programs = { cores, executables: { node26, bun, deno } };
  console.log(`server CPU time for each message, here and in ${folders[1]}; ${cores.description}`);
  for (const name of values.runtime) {
    const runtime = name as RuntimeId;
    for (const style of values.style) {
      for (const workload of values.workload.map(chooseWorkload)) {
        const outcome = await compare(programs, { runtime, style, workload, folders }, times);
        console.log(`${name} ${style} ${workload.id} ${workload.payload}: ${outcome}`);
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
