/**
 * Measures messages from one server to another: `deno task bench:brokers`. README.md of this folder
 * says how.
 *
 * @module
 */

import { describeFacts } from "../harness/prepare.ts";
import { runBenchmark } from "../harness/run_benchmark.ts";
import { COMMANDS, isInstalled, readVersion } from "./broker_process.ts";
import { type BrokerId, chooseCells, listWords } from "./candidates.ts";
import { installSocketIo } from "./install_socket_io.ts";
import { measure } from "./measure.ts";
import { describeReport, drawBrokers, encodeMarkdown, encodeTables, nameOf } from "./report.ts";
import type { BrokerResults, BrokerRow } from "./results.ts";
import type { BrokerReport } from "./task.ts";

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

let versions: string[] = [];
let packages: Record<string, string> = {};

await runBenchmark<BrokerRow, BrokerReport, BrokerResults>({
  task: "bench:brokers",
  file: "brokers",
  minutes: { whole: "six minutes", quick: "half a minute" },
  listWords,
  async choose(args) {
    const brokers = await findBrokers();
    versions = await Promise.all([...brokers].map(readVersion));
    const rows = chooseCells(args, brokers).map((cell): BrokerRow => ({ ...cell, rounds: [] }));
    const shapes = new Set(rows.map(({ shape }) => shape));
    return [...shapes].map((shape) => rows.filter((row) => row.shape === shape));
  },
  async prepare() {
    packages = await installSocketIo();
  },
  expectedSeconds: (_row, { bench: { warmUpMs, measureMs } }) =>
    START_SECONDS + (warmUpMs + measureMs) / 1000,
  nameOf: (row) => nameOf(row).padEnd(30),
  measure: (row, { bench }) => measure(bench, row),
  describe: (_row, report) => describeReport(report),
  sumUp(rows, { pinning, rounds, ...facts }) {
    const where = `servers: ${pinning}; the broker is with the generator`;
    return {
      facts: describeFacts({ ...facts, rounds, packages, pinning: where }, versions),
      rounds,
      rows,
    };
  },
  encodeJson: (results) => JSON.stringify(results, null, 2) + "\n",
  encodeMarkdown,
  draw: drawBrokers,
  encodeTables,
});
