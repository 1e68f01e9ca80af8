/**
 * Runs `examples/echo.ts` as a child process, on the runtime that runs the test.
 *
 * @module
 */

import { TestProcess } from "../support/child_process.ts";

/** The ways in which the example echoes. */
export const ECHO_STYLES = ["callback", "iterate", "streams", "messages"] as const;
type EchoStyle = typeof ECHO_STYLES[number];

/** The ways in which it compresses. */
export type EchoCompression = "takeover" | "no-takeover" | "off";

/** An echo server that was started. */
export class EchoProcess {
  readonly url: URL;
  readonly #process: TestProcess;

  /** Starts the example on a free port, with room for 16 MiB messages of any number of fragments. */
  static async start(
    style: EchoStyle,
    compression: EchoCompression,
  ): Promise<EchoProcess> {
    const options = ["--port", "0", "--style", style, "--compression", compression];
    const limits = ["--max-message-size", "16777216", "--max-fragments", "Infinity"];
    const example = new URL("../../examples/echo.ts", import.meta.url);
    const process = new TestProcess(example, ...options, ...limits);
    const [, url] = await process.untilPrinted(/^listening on (ws:\S+)$/m);
    return new EchoProcess(process, new URL(url));
  }

  private constructor(process: TestProcess, url: URL) {
    this.#process = process;
    this.url = url;
  }

  /** Ends it by SIGTERM, and tells how it ended and what it wrote to its standard error. */
  async stop(): Promise<{ exitCode: number | null; stderr: string }> {
    this.#process.end();
    await this.#process.ended;
    return { exitCode: this.#process.status!, stderr: this.#process.errors };
  }
}
