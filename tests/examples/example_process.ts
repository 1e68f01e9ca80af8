import { TestProcess } from "../support/child_process.ts";

/** How a process ended, and what it printed. */
export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** An example that runs in a process of its own, on the runtime that runs this. */
export class ExampleProcess extends TestProcess {
  /** The address the example says it listens on. Rejects where it ends before. */
  readonly address: Promise<string>;

  /**
   * @param file Its path below `examples/`.
   * @param args The command line.
   */
  constructor(file: string, args: string[]) {
    const url = new URL(`../../examples/${file}`, import.meta.url);
    super({ url, env: { NO_COLOR: "1", FORCE_COLOR: undefined } }, ...args);
    this.address = this.untilPrinted(/^listening on (.+)\n/m).then(([, address]) => address);
    this.address.catch(() => {});
  }

  /** Ends the process, if it runs, and waits for its end. */
  async stop(signal: "SIGINT" | "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<Ended> {
    this.signal(signal);
    return await this.result();
  }

  /** Waits for its end. */
  async result(): Promise<Ended> {
    const how = await this.ended;
    const [code, signal] = typeof how === "number" ? [how, null] : [null, how];
    return { code, signal, stdout: this.printed, stderr: this.errors };
  }
}

/** Runs an example to its end. */
export async function runExample(file: string, args: string[]): Promise<Ended> {
  const example = new ExampleProcess(file, args);
  const timer = setTimeout(() => example.kill(), 60_000);
  try {
    return await example.result();
  } finally {
    clearTimeout(timer);
  }
}
