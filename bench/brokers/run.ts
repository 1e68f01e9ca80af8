/**
 * Measures messages from one server to another: `deno task bench:brokers`. README.md of this folder
 * says how.
 *
 * @module
 */

import { setup } from "../../tools/setup.ts";
import { type Arguments, parseArguments, UsageError, usageOf } from "../harness/arguments.ts";
import { endWithSignals } from "../harness/children.ts";
import { prepare } from "../harness/prepare.ts";
import { nameOfDuration, Progress } from "../harness/progress.ts";
import { COMMANDS, isInstalled, readVersion } from "./broker_process.ts";
import { type BrokerCell, type BrokerId, chooseCells, listWords } from "./candidates.ts";
import { installSocketIo } from "./install_socket_io.ts";
import { measure } from "./measure.ts";
import { describeReport, drawBrokers, encodeMarkdown, encodeTables, nameOf } from "./report.ts";
import type { BrokerResults, BrokerRow } from "./results.ts";

const TASK = { task: "bench:brokers", file: "brokers" };
const MINUTES = { whole: "six minutes", quick: "half a minute" };
/** What it takes to start the processes, and to connect. */
const START_SECONDS = 1.6;

/** Finds the brokers that are installed, and says which are not. */
async function findBrokers(): Promise<Set<BrokerId>> {
  const found = new Set<BrokerId>();
  for (const broker of Object.keys(COMMANDS) as BrokerId[]) {
    if (await isInstalled(broker)) found.add(broker);
    else {
      const command = COMMANDS[broker];
      console.error(`skipped: ${broker} needs ${command}: apt-get install ${command}`);
    }
  }
  return found;
}

function choose(args: Arguments, brokers: ReadonlySet<BrokerId>): BrokerCell[] {
  try {
    return chooseCells(args, brokers);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

async function run(args: Arguments): Promise<BrokerResults> {
  const brokers = await findBrokers();
  const cells = choose(args, brokers);
  await setup();
  const { bench, facts } = await prepare(args);
  const packages = await installSocketIo();
  const versions = [
    ...Object.values(facts.runtimes),
    ...await Promise.all([...brokers].map(readVersion)),
    ...Object.entries(packages).map(([name, version]) => `${name} ${version}`),
  ];
  endWithSignals();
  const seconds = START_SECONDS + (bench.warmUpMs + bench.measureMs) / 1000;
  const count = cells.length * args.rounds;
  const total = nameOfDuration(count * seconds);
  const pinning = `servers: ${facts.pinning}; the broker is with the generator`;
  console.error(`${pinning}; ${count} measurements: ${total}`);
  const progress = new Progress(Array(count).fill(seconds));
  const rows: BrokerRow[] = cells.map((cell) => ({ ...cell, rounds: [] }));
  for (const shape of new Set(rows.map(({ shape }) => shape))) {
    for (let round = 0; round < args.rounds; round++) {
      for (const row of rows.filter((row) => row.shape === shape)) {
        const name = nameOf(row).padEnd(30);
        progress.start(name);
        const report = await measure(bench, row);
        row.rounds.push(report);
        progress.report(name, describeReport(report));
      }
    }
  }
  const median = args.rounds === 1 ? "one round" : `median of ${args.rounds} rounds`;
  return {
    facts: `${facts.machine}; ${pinning}; ${versions.join(", ")}; ${median}; ${facts.date}`,
    rounds: args.rounds,
    rows,
  };
}

async function main(args: Arguments): Promise<void> {
  if (args.help) return console.log(usageOf({ ...TASK, minutes: MINUTES }));
  if (args.list) return console.log(listWords());
  const results = await run(args);
  await Deno.mkdir(args.out, { recursive: true });
  const path = `${args.out}/${TASK.file}`;
  await Deno.writeTextFile(`${path}.json`, JSON.stringify(results, null, 2) + "\n");
  await Deno.writeTextFile(`${path}.md`, encodeMarkdown(results));
  await Deno.writeTextFile(`${path}.svg`, drawBrokers(results));
  console.log(encodeTables(results));
  console.error(`More is in ${path}.md, .json and .svg`);
}

try {
  await main(parseArguments(Deno.args));
} catch (error) {
  console.error(`${TASK.task}: ${(error as Error).message}`);
  Deno.exit(error instanceof UsageError ? 2 : 1);
}
