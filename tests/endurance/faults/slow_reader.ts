/**
 * Drives the process of slow readers from a test.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { findNode } from "../../support/find_node.ts";
import type { Job, Outcome } from "./slow_reader_process.ts";

/** A process of clients that read slowly and send all the while. */
export class SlowReaders {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  readonly #exit: Promise<void>;
  #lastId = 0;

  /** Starts the process. */
  constructor() {
    const script = fileURLToPath(new URL("slow_reader_process.ts", import.meta.url));
    this.#child = spawn(findNode(), ["--disable-warning=ExperimentalWarning", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#exit = new Promise((resolve) => this.#child.on("exit", () => resolve()));
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      const outcome = JSON.parse(line) as Outcome;
      this.#waiting.get(outcome.id)?.(outcome);
      this.#waiting.delete(outcome.id);
    });
  }

  /** Runs a client to its end. */
  run(job: Omit<Job, "id">): Promise<Outcome> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#waiting.set(id, resolve);
    this.#child.stdin!.write(JSON.stringify({ id, ...job }) + "\n");
    return promise;
  }

  /** Ends the process. */
  async close(): Promise<void> {
    this.#child.stdin!.end();
    await this.#exit;
  }
}
