/**
 * Runs a module in a process of its own, on the runtime that the test runs on.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Waiter } from "./waiter.ts";

/** What a process runs on. */
export type RuntimeName = "deno" | "bun" | "node";

/** A module that is to run on another runtime. */
export interface ForeignModule {
  url: URL;
  runtime: RuntimeName;
  /** The path of the runtime. */
  executable: string;
}

/** A process that a test started. */
export class TestProcess {
  readonly #child: ChildProcess;
  readonly #waiter: Waiter = new Waiter();
  /** What it has printed, errors included. */
  output = "";
  /** Its exit status, once it has ended by itself. */
  status: number | null | undefined;

  /** Starts the module at `url`, or one on another runtime. */
  constructor(module: URL | ForeignModule, ...args: string[]) {
    const [executable, command] = module instanceof URL
      ? [process.execPath, moduleCommand(module)]
      : [module.executable, moduleCommand(module.url, module.runtime)];
    this.#child = spawn(executable, [...command, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (bytes: Uint8Array) => {
        this.output += new TextDecoder().decode(bytes);
        this.#waiter.wake();
      });
    }
    this.#child.on("close", (status) => {
      this.status = status;
      this.#waiter.wake();
    });
  }

  /** Waits until it has printed something that matches, and gives the match. */
  async untilPrinted(pattern: RegExp): Promise<RegExpMatchArray> {
    await this.#waiter.until(
      `${pattern} to be printed`,
      () => pattern.test(this.output) || this.status !== undefined,
    );
    const match = pattern.exec(this.output);
    if (match === null) throw new Error(`It ended with ${this.status}, and printed ${this.output}`);
    return match;
  }

  /** Waits until it has ended by itself, and gives its status. */
  async untilEnded(deadlineMs?: number): Promise<number | null | undefined> {
    await this.#waiter.until("the process to end", () => this.status !== undefined, deadlineMs);
    return this.status;
  }

  /** Asks it to end, by SIGTERM, where it has not ended. */
  end(): void {
    // Not `child.kill()`: after that, Deno takes the signal for what ended it, whatever the process does.
    this.signal("SIGTERM");
  }

  /** Sends it a signal, where it has not ended. */
  signal(signal: "SIGTERM" | "SIGHUP"): void {
    if (this.status === undefined) process.kill(this.#child.pid!, signal);
  }

  /** Ends it, where it has not ended. */
  kill(): void {
    if (this.status === undefined) this.#child.kill("SIGKILL");
  }
}

/** The arguments with which a runtime, mostly the one that the test runs on, runs the module at `url`. */
export function moduleCommand(url: URL, runtime: RuntimeName = ownRuntime()): string[] {
  const file = fileURLToPath(url);
  if (runtime === "bun") return ["run", file];
  if (runtime === "deno") return ["run", "--allow-all", "--no-check", "--quiet", file];
  return ["--disable-warning=ExperimentalWarning", file];
}

function ownRuntime(): RuntimeName {
  if ("Bun" in globalThis) return "bun";
  return "Deno" in globalThis ? "deno" : "node";
}
