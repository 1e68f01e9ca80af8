import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { moduleCommand } from "../support/child_process.ts";
import { Waiter } from "../support/waiter.ts";

/** The command with which the client runs on the runtime that the test runs on. */
export const CLI_COMMAND: readonly string[] = moduleCommand({
  url: new URL("../../src/cli/main.ts", import.meta.url),
});

/** The client in a process of its own. */
export class CliProcess {
  readonly #child: ChildProcess;
  readonly #waiter: Waiter = new Waiter();
  /** Resolves with the exit status. */
  readonly status: Promise<number | null>;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** What it wrote to standard output, once {@linkcode CliProcess.read} was called. */
  output: Uint8Array[] = [];
  stderr = "";

  constructor(...args: string[]) {
    const [command, ...rest] = CLI_COMMAND;
    this.#child = spawn(command, [...rest, ...args], { stdio: "pipe" });
    this.stdin = this.#child.stdin!;
    this.stdout = this.#child.stdout!;
    this.stdin.on("error", () => {});
    this.#child.stderr!.on("data", (bytes: Uint8Array) => {
      this.stderr += new TextDecoder().decode(bytes);
    });
    this.status = new Promise((resolve) => this.#child.on("close", resolve));
  }

  /** Reads standard output. */
  read(): this {
    this.stdout.on("data", (bytes: Uint8Array) => {
      this.output.push(bytes);
      this.#waiter.wake();
    });
    return this;
  }

  get text(): string {
    return new TextDecoder().decode(Buffer.concat(this.output));
  }

  async untilWritten(text: string): Promise<void> {
    await this.#waiter.until(`${text} on standard output`, () => this.text.includes(text));
  }

  kill(signal: "SIGINT" | "SIGTERM"): void {
    // Not `child.kill()`: after that, Deno reports the signal as what ended the process.
    process.kill(this.#child.pid!, signal);
  }
}
