/**
 * A process of the soak, which prints lines of JSON and reads lines.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

/** How much of what a process complains of is kept, in characters. */
const ERRORS_KEPT = 4_000;
/** How long a process may take to end when it is told to, in milliseconds. */
const STOP_MS = 30_000;

/** A process that was started. */
export class SoakChild {
  readonly #child: ChildProcess;
  readonly #name: string;
  /** Resolves with the status or the signal when it has ended. */
  readonly ended: Promise<number | string>;
  /** Takes each line. */
  onLine: (value: unknown) => void = () => {};
  /** What it has written to its standard error. */
  errors = "";
  #isStopping = false;

  /** Starts it. It ends when this process does, since its input ends then. */
  constructor(name: string, [executable, ...args]: string[]) {
    this.#name = name;
    this.#child = spawn(executable, args, { stdio: ["pipe", "pipe", "pipe"] });
    const { stdin, stdout, stderr } = this.#child;
    createInterface({ input: stdout! }).on("line", (line) => this.#receiveLine(line));
    stderr!.on("data", (bytes: Uint8Array) => this.#complain(new TextDecoder().decode(bytes)));
    // That it has ended is told below.
    stdin!.on("error", () => {});
    const { promise, resolve } = Promise.withResolvers<number | string>();
    this.ended = promise;
    this.#child.on("error", (error) => resolve(error.message));
    this.#child.on("close", (code, signal) => resolve(signal ?? code ?? "unknown"));
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves with the next line; rejects where the process ends before. */
  async nextLine(): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.onLine = resolve;
    const value = await Promise.race([promise, this.gone()]);
    this.onLine = () => {};
    return value;
  }

  /** Rejects when the process ends without being told to. */
  async gone(): Promise<never> {
    const status = await this.ended;
    if (this.#isStopping) return await new Promise<never>(() => {});
    throw new Error(`the ${this.#name} ended with ${status}: ${this.errors}`);
  }

  /** Sends a line. */
  send(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Ends its input, and gives why it did not end in order, or `undefined`. */
  async stop(): Promise<string | undefined> {
    this.#isStopping = true;
    this.#child.stdin!.end();
    const timer = new AbortController();
    const late = setTimeout(STOP_MS, "not at all", { signal: timer.signal });
    late.catch(() => {});
    const status = await Promise.race([this.ended, late]);
    timer.abort();
    this.kill();
    if (status === 0) return undefined;
    return `the ${this.#name} ended with ${status} when it was to end`;
  }

  /** Ends it at once. */
  kill(): void {
    this.#isStopping = true;
    this.#child.kill("SIGKILL");
  }

  #receiveLine(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return this.#complain(`${line}\n`);
    }
    this.onLine(value);
  }

  #complain(text: string): void {
    if (this.errors.length < ERRORS_KEPT) this.errors += text;
  }
}
