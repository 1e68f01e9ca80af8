/**
 * Runs one test file on one runtime, in a process group of its own and under a deadline.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { parseJUnit, type TestResult } from "./junit.ts";
import type { Runtime } from "./runtimes.ts";

/** How much of a file's output is kept, in characters. */
const OUTPUT_KEPT = 256 * 1024;
/** How much of it is shown beside a failure; the rest is in the log. */
const LINES_SHOWN = 60;
const OUTPUT_FOLDER = ".tmp/test";
const COMPILE_CACHE = new URL("../.tmp/node-compile-cache", import.meta.url).pathname;
const STRIP_CACHE = new URL("strip_cache.mjs", import.meta.url).href;
/** `skipUnless` of tests/support prints this before the reason. */
const SKIP_MARK = "[skipped] ";

/** What became of a test file. */
export interface FileResult {
  /** Its path. */
  file: string;
  /** Its tests; a file that failed outside of any test has one more, that failed. */
  tests: TestResult[];
  /** Why tests were skipped, as the file printed it. */
  skipReasons: string[];
  /** The failures in full, or `""`. */
  report: string;
  /** How long it took, in milliseconds. */
  tookMs: number;
}

const running = new Set<ChildProcess>();

/** Ends a process and all it started. */
function endGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // The group is gone already, as it should be.
  }
}

/** Ends every test that runs. */
export function stopAll(): void {
  for (const child of running) endGroup(child);
}

interface Run {
  output: string;
  /** What went wrong with the process, or `undefined` where it ended with status 0. */
  problem: string | undefined;
}

function run(command: string[], deadlineMs: number): Promise<Run> {
  const { promise, resolve } = Promise.withResolvers<Run>();
  // `detached` makes it the leader of a group, so that what it starts can be ended with it.
  const child = spawn(command[0], command.slice(1), {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NO_COLOR: "1",
      FORCE_COLOR: undefined,
      // Node 26 then takes 0.2 s instead of 0.5 s to load what a file imports.
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      // The processes that tests start take it, too.
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${STRIP_CACHE}`.trim(),
    },
  });
  running.add(child);
  let output = "";
  const decoder = new TextDecoder();
  const keep = (bytes: Uint8Array) => {
    output = (output + decoder.decode(bytes, { stream: true })).slice(-OUTPUT_KEPT);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(child);
  }, deadlineMs);
  const finish = (problem: string | undefined) => {
    clearTimeout(timer);
    running.delete(child);
    resolve({ output, problem });
  };
  child.on("error", (error) => finish(`could not be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    endGroup(child);
    child.on("close", () => {
      if (timedOut) {
        finish(
          `did not end within ${Math.round(deadlineMs / 1000)} s, and was ended. ` +
            "A test hangs, or left a timer or a socket open",
        );
      } else if (code !== 0) {
        finish(`ended with ${signal === null ? `status ${code}` : signal}`);
      } else finish(undefined);
    });
  });
  return promise;
}

function describeFailure({ name, detail }: TestResult): string {
  return `  FAILED ${name}\n${detail.replace(/^/gm, "    ")}`;
}

/** Runs `file` on `runtime`, and ends it after `deadlineMs`; does not run it where that is not positive. */
export async function runFile(
  runtime: Runtime,
  file: string,
  deadlineMs: number,
): Promise<FileResult> {
  const log = `${OUTPUT_FOLDER}/${runtime.id}/${file.replaceAll("/", "-")}.log`;
  await Deno.mkdir(`${OUTPUT_FOLDER}/${runtime.id}`, { recursive: true });
  // Not beside the log, where another run of the tests would overwrite it.
  const report = await Deno.makeTempFile({ prefix: "sluice-", suffix: ".xml" });

  const startedAt = performance.now();
  const { output, problem } = deadlineMs > 0
    ? await run(runtime.testCommand(file, report), deadlineMs)
    : { output: "", problem: "did not run: the time for the tests is over" };
  const tookMs = performance.now() - startedAt;
  await Deno.writeTextFile(log, output);
  const tests = parseJUnit(await Deno.readTextFile(report));
  await Deno.remove(report);

  const failed = tests.some(({ outcome }) => outcome === "failed");
  // A file that fails outside of its tests, or has none, must not pass.
  if (!failed && (problem !== undefined || tests.length === 0)) {
    tests.push({ name: file, outcome: "failed", detail: problem ?? "reported no test" });
  }
  const failures = tests.filter(({ outcome }) => outcome === "failed");
  const skipReasons = output.split("\n").filter((line) => line.startsWith(SKIP_MARK))
    .map((line) => line.slice(SKIP_MARK.length).trim());
  return {
    file,
    tests,
    tookMs,
    skipReasons: [...new Set(skipReasons)],
    report: failures.length === 0 ? "" : [
      `${runtime.label}: ${file}`,
      ...failures.map(describeFailure),
      `  The end of the output (all of it: ${log}):`,
      output.trimEnd().split("\n").slice(-LINES_SHOWN).join("\n").replace(/^/gm, "  | "),
    ].join("\n"),
  };
}
