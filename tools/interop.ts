/**
 * Runs the interoperability tests on the runtimes, and writes what became of them to
 * `docs/interop.md` and into the README: `deno task interop`.
 *
 * @module
 */

import { PEER_ROWS } from "../tests/interop/matrix/peers.ts";
import { type CellRecord, RECORDS_FOLDER } from "../tests/interop/matrix/record.ts";
import { SCENARIOS } from "../tests/interop/matrix/scenarios.ts";
import { interopDocument, interopSummary, replaceSummary } from "./interop_table.ts";
import { findRuntime, RUNTIME_IDS } from "./runtimes.ts";

const DOCUMENT = "docs/interop.md";
const README = "README.md";

/** Reads the records, in the order in which the runtimes run. */
async function readRecords(): Promise<CellRecord[]> {
  const records: CellRecord[] = [];
  for await (const { name } of Deno.readDir(RECORDS_FOLDER)) {
    records.push(JSON.parse(await Deno.readTextFile(`${RECORDS_FOLDER}/${name}`)));
  }
  const labels = await Promise.all(RUNTIME_IDS.map(async (id) => (await findRuntime(id)).label));
  const place = ({ runtime }: CellRecord) => labels.indexOf(runtime);
  return records.sort((a, b) => place(a) - place(b));
}

async function run(args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn()
    .status;
  return success;
}

Deno.chdir(new URL("..", import.meta.url));
// What is there is of other runs.
await Deno.remove(RECORDS_FOLDER, { recursive: true }).catch(() => {});
const hasPassed = await run(["run", "-A", "tools/test.ts", "tests/interop/matrix/"]);
const matrix = { rows: PEER_ROWS, scenarios: SCENARIOS, records: await readRecords() };
await Deno.mkdir("docs", { recursive: true });
const date = new Date().toISOString().slice(0, 10);
await Deno.writeTextFile(DOCUMENT, interopDocument(matrix, date));
const readme = await Deno.readTextFile(README);
await Deno.writeTextFile(README, replaceSummary(readme, interopSummary(matrix)));
const isFormatted = await run(["fmt", "--quiet", DOCUMENT, README]);
Deno.exit(hasPassed && isFormatted ? 0 : 1);
