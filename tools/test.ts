/**
 * Runs the tests on the runtimes: `deno task test [OPTION]... [WORD]...`, where WORDs pick the files
 * whose path holds one of them. Each file runs in a process of its own on each runtime, whose JUnit
 * report is read. A file that says `@waits` spends most of its time on waiting: one of those runs
 * beside the others. A file that says `@measures` measures time: only one that waits runs beside it.
 * The last line is `N passed, N failed`. The options:
 *
 * - `--runtime NAME`: one of deno, bun, node22 and node26; may be given more than once. Default: all.
 *   `deno=COMMAND`, `bun=COMMAND` and `node=COMMAND` test what the command runs instead.
 * - `--jobs N`: how many files run at once. Default: 2.
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

const RUNTIME_DEADLINE_MS = 15 * 60_000;
/** What the text of a test file has that mostly waits, and of one that measures time. */
const MARKS = ["@waits", "@measures"] as const;
type Mark = typeof MARKS[number];

/** Lists the test files under `folder`, sorted. */
async function findTestFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await findTestFiles(path));
    else if (entry.name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort();
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
  const files = (await findTestFiles(folder))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (files.length === 0) throw new Error(`Cannot test: no test file in ${folder} matches`);

  const marks = new Map<string, Mark | undefined>();
  for (const file of files) {
    const text = await Deno.readTextFile(file);
    marks.set(file, MARKS.find((mark) => text.includes(mark)));
  }

  const tallies = runtimes.map((runtime) => new RuntimeTally(runtime.label, files.length));
  const progress = new Progress();
  for (const [index, runtime] of runtimes.entries()) {
    const tally = tallies[index];
    const [busy, waiting, measuring] = [undefined, ...MARKS]
      .map((mark) => files.filter((file) => marks.get(file) === mark));
    const work = async (next: () => string | undefined) => {
      for (let file = next(); file !== undefined; file = next()) {
        progress.show(tally);
        const remainingMs = RUNTIME_DEADLINE_MS - tally.elapsedMs;
        const result = await runFile(runtime, file, Math.min(deadlineMs, remainingMs));
        tally.add(result);
        if (result.report !== "") progress.print(result.report);
        if (tally.isComplete) progress.print(tally.line());
        else progress.show(tally);
      }
    };
    tally.start();
    progress.print(`${tally.label}: ${files.length} files ...`);
    const waitingWorker = work(() => waiting.shift());
    await work(() => measuring.shift());
    const workers = Array.from({ length: jobs }, () => work(() => busy.shift() ?? waiting.shift()));
    await Promise.all([waitingWorker, ...workers]);
  }
  progress.end();
  console.log(summaryTable(tallies));
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
