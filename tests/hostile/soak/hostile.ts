/**
 * The process of the hostile clients. The arguments are the ports as JSON, the seed, and the names of
 * the attacks to make: all, where there are none. It attacks from the line `attack` on, and begins no
 * more attacks from the line `rest` on. It prints a report each second, and ends when its input does.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { Random } from "../../codec/support.ts";
import { allAttacks } from "../attacks/all.ts";
import { Target } from "../target.ts";
import { deafSubscribers } from "./deaf_subscribers.ts";
import type { HostileReport, Ports } from "./reports.ts";

const REPORT_MS = 1_000;
/** How many attacks are made at once. */
const WORKERS = 5;
/** How large crowds are, compared with those of an attack that is made alone. */
const SCALE = 0.25;
const MAX_FAILURES = 5;

const ports: Ports = JSON.parse(process.argv[2]);
const random = new Random(Number(process.argv[3]));
const names = process.argv.slice(4);
const attacks = [...allAttacks, deafSubscribers]
  .filter(({ name }) => names.length === 0 || names.includes(name));

const counts: Record<string, number> = {};
const running = new Set<{ name: string }>();
let failures: string[] = [];
let round = new AbortController();
round.abort();

async function attackOnce(signal: AbortSignal): Promise<void> {
  const attack = random.pick(attacks);
  const isHandler = random.below(2) === 0 && attack !== deafSubscribers;
  const target = new Target({
    port: isHandler ? ports.handler : ports.callbacks,
    seed: random.below(2 ** 31),
    scale: SCALE,
    signal,
  });
  const run = { name: attack.name };
  running.add(run);
  try {
    await attack.run(target);
    counts[attack.name] = (counts[attack.name] ?? 0) + 1;
  } catch (error) {
    if (failures.length < MAX_FAILURES) failures.push(`${attack.name}: ${error}`);
  } finally {
    target.reset();
    running.delete(run);
  }
}

async function work(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await attackOnce(signal);
}

function report(): void {
  const report: HostileReport = { counts, running: [...running].map(({ name }) => name), failures };
  failures = [];
  console.log(JSON.stringify(report));
}

setInterval(report, REPORT_MS);
for await (const line of createInterface({ input: process.stdin })) {
  round.abort();
  if (line === "attack") {
    round = new AbortController();
    for (let i = 0; i < WORKERS; i++) void work(round.signal);
  }
  report();
}
process.exit(0);
