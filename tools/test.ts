/**
 * Runs the tests on the runtimes: `deno task test [OPTION]... [WORD]...`, where WORDs pick the files
 * whose path holds one of them. Each file runs in a process of its own on each runtime, whose JUnit
 * report is read. A line of a file that begins with one of these marks says how it is run:
 *
 * - `// @once: REASON`: on the first of the runtimes alone, since what it asserts is the same on all.
 * - `// @engines: REASON`: on the oldest V8 and on JavaScriptCore alone, for the same reason.
 * - `// @waits`: it spends most of its time on waiting: two of those run beside the others.
 * - `// @measures`: it measures time: only one that waits runs beside it.
 *
 * The last line is `N passed, N failed`. The options:
 *
 * - `--runtime NAME`: one of deno, bun, node22 and node26; may be given more than once. Default: all.
 *   `deno=COMMAND`, `bun=COMMAND` and `node=COMMAND` test what the command runs instead.
 * - `--jobs N`: how many files run at once, beside those that wait. Default: 2.
 * - `--deadline SECONDS`: how long a file may take before it is ended, and has failed. Default: 180.
 * - `--folder PATH`: where the tests are. Default: tests.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { runFile, stopAll } from "./test_file.ts";
import { findRuntime, type Runtime, RUNTIME_IDS } from "./runtimes.ts";
import { setup } from "./setup.ts";
import { RuntimeTally, summaryTable } from "./tally.ts";
import { Progress } from "./progress.ts";

/** How long the tests may take, for each runtime. */
const RUNTIME_DEADLINE_MS = 15 * 60_000;

/** A test file, and how it says that it is run. */
interface TestFile {
  path: string;
  once: boolean;
  engines: boolean;
  waits: boolean;
  measures: boolean;
}

/** The runtime whose V8 is the oldest. */
const OLDEST_V8 = "node22";

/** A file that is to run on a runtime. */
interface Task {
  file: TestFile;
  runtime: Runtime;
  tally: RuntimeTally;
}

/** Reads the test files under `folder`, sorted by their paths. */
async function readTestFiles(folder: string): Promise<TestFile[]> {
  const files: TestFile[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await readTestFiles(path));
    else if (entry.name.endsWith("_test.ts")) {
      const text = await Deno.readTextFile(path);
      const has = (mark: string) => RegExp(`^// @${mark}\\b`, "m").test(text);
      files.push({
        path,
        once: has("once"),
        engines: has("engines"),
        waits: has("waits"),
        measures: has("measures"),
      });
    }
  }
  return files.sort(comparePaths);
}

/** Finds what runs the files that are run once on each engine: what works there works on newer ones too. */
function findForEngine({ engine }: Runtime, runtimes: readonly Runtime[]): Runtime {
  const same = runtimes.filter((runtime) => runtime.engine === engine);
  return same.find(({ id }) => id === OLDEST_V8) ?? same[0];
}

function comparePaths(a: TestFile, b: TestFile): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

interface Options {
  runtimes: string[];
  jobs: number;
  deadlineMs: number;
  folder: string;
  words: string[];
}

function parseOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIME_IDS] },
      jobs: { type: "string", default: "2" },
      deadline: { type: "string", default: "180" },
      folder: { type: "string", default: "tests" },
    },
  });
  const parseCount = (name: "jobs" | "deadline") => {
    const count = Number(values[name]);
    if (Number.isSafeInteger(count) && count > 0) return count;
    throw new RangeError(`Cannot read "--${name} ${values[name]}": it takes a whole number from 1`);
  };
  return {
    runtimes: values.runtime,
    jobs: parseCount("jobs"),
    deadlineMs: parseCount("deadline") * 1000,
    folder: values.folder,
    words: positionals,
  };
}

async function main(): Promise<boolean> {
  const { runtimes: ids, jobs, deadlineMs, folder, words } = parseOptions();
  Deno.chdir(new URL("..", import.meta.url));
  await setup();
  const runtimes: Runtime[] = [];
  for (const id of ids) runtimes.push(await findRuntime(id));
  const files = (await readTestFiles(folder))
    .filter(({ path }) => words.length === 0 || words.some((word) => path.includes(word)));
  if (files.length === 0) throw new Error(`Cannot test: no test file in ${folder} matches`);

  const tallies: RuntimeTally[] = [];
  const tasks: Task[] = [];
  for (const runtime of runtimes) {
    const isFirst = runtime === runtimes[0];
    const isForEngine = runtime === findForEngine(runtime, runtimes);
    const here = files.filter(({ once, engines }) =>
      (isFirst || !once) && (isForEngine || !engines)
    );
    const tally = new RuntimeTally(runtime.label, here.length);
    tallies.push(tally);
    tasks.push(...here.map((file) => ({ file, runtime, tally })));
  }

  const progress = new Progress();
  const deadlineForAllMs = RUNTIME_DEADLINE_MS * runtimes.length;
  const run = async ({ file, runtime, tally }: Task) => {
    const remainingMs = deadlineForAllMs - progress.elapsedMs;
    const result = await runFile(runtime, file.path, Math.min(deadlineMs, remainingMs));
    tally.add(result);
    if (result.report !== "") progress.print(result.report);
    progress.show(tally);
  };
  const work = async (next: () => Task | undefined) => {
    for (let task = next(); task !== undefined; task = next()) await run(task);
  };

  // The runtimes share the queues, so that no core is idle while the last files of one run.
  const measuring = tasks.filter(({ file }) => file.measures);
  const busy = tasks.filter(({ file }) => !file.waits && !file.measures);
  // By their paths: the first ones, of brokers, wait most, and run beside those that measure.
  const waiting = tasks.filter(({ file }) => file.waits && !file.measures)
    .sort((a, b) => comparePaths(a.file, b.file));
  const workOnWaiting = () => work(() => waiting.shift());
  const waited = workOnWaiting();
  await work(() => measuring.shift());
  const workers = Array.from({ length: jobs }, () => work(() => busy.shift() ?? waiting.shift()));
  await Promise.all([waited, workOnWaiting(), ...workers]);
  progress.end();
  console.log(summaryTable(tallies, progress.elapsedMs));
  return tallies.every((tally) => tally.failed === 0);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    stopAll();
    Deno.exit(signal === "SIGINT" ? 130 : 143);
  });
}
try {
  Deno.exit(await main() ? 0 : 1);
} catch (error) {
  stopAll();
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(2);
}
