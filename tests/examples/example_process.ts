import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How a process ended, and what it printed. */
export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** An example that runs in a process of its own, on the runtime that runs this. */
export class ExampleProcess {
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #address = Promise.withResolvers<string>();
  #stdout = "";
  #stderr = "";
  #hasEnded = false;

  /**
   * @param file Its path below `examples/`.
   * @param args The command line.
   */
  constructor(file: string, args: string[]) {
    const path = fileURLToPath(new URL(`../../examples/${file}`, import.meta.url));
    this.#child = spawn(process.execPath, [...runtimeArguments(), path, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
    });
    this.#address.promise.catch(() => {});
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      const address = /^listening on (.+)\n/.exec(this.#stdout)?.[1];
      if (address !== undefined) this.#address.resolve(address);
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#stderr += text);
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("exit", () => this.#hasEnded = true);
      this.#child.on("close", (code, signal) => {
        this.#address.reject(
          new Error(`The example ended with ${code ?? signal}: ${this.#stderr}`),
        );
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** The address the example says it listens on. Rejects where it ends before. */
  get address(): Promise<string> {
    return this.#address.promise;
  }

  /** Ends the process, if it runs, and waits for its end. */
  async end(signal: "SIGINT" | "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<Ended> {
    // Not `child.kill()`: after that, Deno reports the signal as what ended the process, even where
    // the process handled it. A process that is gone has no id any more.
    if (!this.#hasEnded) process.kill(this.#child.pid!, signal);
    return await this.ended;
  }
}

/** Runs an example to its end. */
export async function runExample(file: string, args: string[]): Promise<Ended> {
  const example = new ExampleProcess(file, args);
  const timer = setTimeout(() => example.end(), 60_000);
  try {
    return await example.ended;
  } finally {
    clearTimeout(timer);
  }
}

function runtimeArguments(): string[] {
  if (process.versions.deno !== undefined) return ["run", "--allow-all", "--quiet"];
  if (process.versions.bun !== undefined) return ["run"];
  return ["--disable-warning=ExperimentalWarning"];
}
