/**
 * Soaks a server on each runtime in a mix of honest and hostile clients: `deno task soak [--minutes N]
 * [--runtime NAME]... [--seed S]`, more with `--help`. It fails where memory, descriptors or timers
 * are not flat, where an honest client loses something or waits too long, and where an attack ends
 * otherwise than is documented. It needs Linux, which tells of the server's memory and descriptors.
 *
 * @module
 */

import { findRuntime } from "../../../tools/runtimes.ts";
import type { Module } from "../../support/child_process.ts";
import { parseArguments, type SoakArguments, USAGE, UsageError } from "./arguments.ts";
import { drawSoakChart, type SoakOf } from "./chart.ts";
import { judge } from "./judge.ts";
import { Progress } from "./progress.ts";
import { soak } from "./run.ts";
import { encodeTable } from "./table.ts";

/** What the clients run on, so that the runtimes compare. */
const CLIENTS = "node26";
const WARM_UP_MS = 3_000;
/** How long hostile clients come at a time: so often in all, but within these. */
const ROUNDS = 16;
const MIN_ATTACK_MS = 4_000;
const MAX_ATTACK_MS = 60_000;
/** Nothing the server waits for takes longer: the handshake has 10 seconds, the close 5. */
const SETTLE_MS = 20_000;

async function findSoakRuntime(id: string): Promise<Partial<Module> & { label: string }> {
  const { label, executable } = await findRuntime(id);
  const runtime = id === "deno" || id === "bun" ? id : "node";
  return { runtime, executable, label };
}

async function soakOn(id: string, args: SoakArguments): Promise<SoakOf & { problems: string[] }> {
  const runtime = await findSoakRuntime(id);
  const { label } = runtime;
  const durationMs = args.minutes * 60_000;
  const progress = new Progress(label, durationMs);
  const measured = await soak({
    runtime,
    clients: await findSoakRuntime(CLIENTS),
    durationMs,
    warmUpMs: WARM_UP_MS,
    attackMs: Math.min(MAX_ATTACK_MS, Math.max(MIN_ATTACK_MS, durationMs / ROUNDS)),
    settleMs: SETTLE_MS,
    seed: args.seed,
    faults: args.faults,
    onMoment: (moment, measured) => progress.show(moment, measured),
  });
  return { label, measured, problems: judge(measured, { maxWaitMs: args.maxWaitMs }) };
}

async function main(args: SoakArguments): Promise<boolean> {
  if (args.help) {
    console.log(USAGE);
    return true;
  }
  const { minutes, runtimes, seed, out } = args;
  console.log(`${runtimes.join(", ")}: ${minutes} minutes each, seed ${seed}`);
  const soaks = [];
  for (const id of runtimes) soaks.push(await soakOn(id, args));
  await Deno.mkdir(out, { recursive: true });
  const chart = `${out}/soak.svg`;
  const title = `A server among hostile clients, ${minutes} minutes each, seed ${seed}`;
  await Deno.writeTextFile(chart, drawSoakChart(title, soaks));
  console.log(`\n${encodeTable(soaks)}\n\nMemory and latency over time: ${chart}`);
  for (const { label, problems } of soaks) {
    for (const problem of problems) console.log(`${label} failed: ${problem}`);
  }
  return soaks.every(({ problems }) => problems.length === 0);
}

try {
  Deno.exit(await main(parseArguments(Deno.args)) ? 0 : 1);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`soak: ${error.message}\n\n${USAGE}`);
  Deno.exit(2);
}
