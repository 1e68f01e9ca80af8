/**
 * The processes that tests start.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Waiter } from "./waiter.ts";

/** A runtime, of any version. */
export type RuntimeName = "deno" | "bun" | "node";

/** How a process is started. */
interface Start {
  /** What differs from the environment of the test; `undefined` leaves a name out. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Whether it is sent lines. Its input ends when the test's process does. */
  hasInput?: boolean;
}

/** A module, and how it runs. */
export interface Module extends Start {
  url: URL;
  /** The runtime, and the path of its executable. Default: those of the test. */
  runtime?: RuntimeName;
  executable?: string;
  /** Whether it can collect garbage. */
  collectsGarbage?: boolean;
}

/** A program that is no module. */
export interface Program extends Start {
  /** The executable and its arguments. */
  command: readonly string[];
  /** Whether the executable is a script of the shell. */
  shell?: boolean;
}

/** A process that a test started. */
export class TestProcess {
  readonly #child: ChildProcess;
  readonly #waiter: Waiter = new Waiter();
  readonly #lines: string[] = [];
  /** What it has printed, errors included. */
  output = "";
  /** What it has printed to its standard output. */
  printed = "";
  /** What it has printed to its standard error. */
  errors = "";
  /** Its exit status, once it has ended; `null` if a signal ended it. */
  status: number | null | undefined;
  /** Resolves when it has ended, with its exit status, with the signal, or with why it did not start. */
  readonly ended: Promise<number | string>;
  /** Resolves so, too, if something that it started holds its output open. */
  readonly exited: Promise<number | string>;
  #isRunning = true;
  /** Takes each line of its standard output, instead of {@linkcode TestProcess.nextLine}. */
  onLine: ((line: string) => void) | undefined;

  /** Starts a module, by default on the runtime of the test, or another program. */
  constructor(what: URL | Module | Program, ...args: string[]) {
    const given: Module | Program = what instanceof URL ? { url: what } : what;
    const { command, shell, env, cwd, hasInput = false }: Program = "command" in given
      ? given
      : { ...given, command: moduleCommand(given) };
    const names = Object.entries({ ...process.env, ...env })
      .filter(([, value]) => value !== undefined);
    this.#child = spawn(command[0], [...command.slice(1), ...args], {
      stdio: [hasInput ? "pipe" : "ignore", "pipe", "pipe"],
      env: Object.fromEntries(names),
      cwd,
      shell,
    });
    const { stdin, stdout, stderr } = this.#child;
    // That it has ended is told by `ended`.
    stdin?.on("error", () => {});
    let line = "";
    read(stdout!, (text) => {
      const lines = (line + text).split("\n");
      line = lines.pop()!;
      for (const each of lines) {
        this.onLine === undefined ? this.#lines.push(each) : this.onLine(each);
      }
      this.printed += text;
      this.#print(text);
    });
    read(stderr!, (text) => {
      this.errors += text;
      this.#print(text);
    });
    const exited = Promise.withResolvers<number | string>();
    const ended = Promise.withResolvers<number | string>();
    const end = (status: number | null, how: number | string) => {
      this.#isRunning = false;
      this.status = status;
      this.#waiter.wake();
      exited.resolve(how);
      ended.resolve(how);
    };
    this.#child.on("error", (error) => end(null, error.message));
    this.#child.on("exit", (status, signal) => {
      this.#isRunning = false;
      exited.resolve(signal ?? status ?? "unknown");
    });
    this.#child.on("close", (status, signal) => end(status, signal ?? status ?? "unknown"));
    this.exited = exited.promise;
    this.ended = ended.promise;
  }

  /** The number of the process. */
  get pid(): number {
    return this.#child.pid!;
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

  /** Gives the next line of its standard output. */
  async nextLine(deadlineMs?: number): Promise<string> {
    const isDone = () => this.#lines.length > 0 || this.status !== undefined;
    await this.#waiter.until("a line", isDone, deadlineMs);
    const line = this.#lines.shift();
    if (line === undefined) throw new Error(`It ended with ${await this.ended}: ${this.errors}`);
    return line;
  }

  /** Sends it a line. */
  send(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Ends its input. */
  endInput(): void {
    this.#child.stdin!.end();
  }

  /** Waits until it has ended by itself, and gives its status. */
  async untilEnded(deadlineMs?: number): Promise<number | null | undefined> {
    await this.#waiter.until("the process to end", () => this.status !== undefined, deadlineMs);
    return this.status;
  }

  /** Asks it to end, by SIGTERM, if it has not ended. */
  end(): void {
    this.signal("SIGTERM");
  }

  /** Sends it a signal, if it has not ended. */
  signal(signal: NodeJS.Signals): void {
    // Not `child.kill()`: after that, Deno takes the signal for what ended it, whatever the process does.
    if (this.#isRunning) process.kill(this.#child.pid!, signal);
  }

  /** Ends it, if it has not ended. */
  kill(): void {
    if (this.#isRunning) this.#child.kill("SIGKILL");
  }

  /** Takes no more of what is printed, by something that it started perhaps. */
  release(): void {
    for (const stream of this.#child.stdio) stream?.destroy();
  }

  #print(text: string): void {
    this.output += text;
    this.#waiter.wake();
  }
}

function read(
  stream: NonNullable<ChildProcess["stdout"]>,
  take: (text: string) => void,
): void {
  const decoder = new TextDecoder();
  stream.on("data", (bytes: Uint8Array) => take(decoder.decode(bytes, { stream: true })));
}

/** The command that runs a module. */
export function moduleCommand(module: Module): string[] {
  const { url, runtime = ownRuntime(), executable = process.execPath, collectsGarbage } = module;
  const file = fileURLToPath(url);
  if (runtime === "bun") return [executable, "run", file];
  if (runtime === "deno") {
    const flags = collectsGarbage ? ["--v8-flags=--expose-gc"] : [];
    return [executable, "run", "--allow-all", "--no-check", "--quiet", ...flags, file];
  }
  const flags = collectsGarbage ? ["--expose-gc"] : [];
  return [executable, "--disable-warning=ExperimentalWarning", ...flags, file];
}

/** The runtime of the test. */
export function ownRuntime(): RuntimeName {
  if ("Bun" in globalThis) return "bun";
  return "Deno" in globalThis ? "deno" : "node";
}
