/**
 * A process that does what a test asks it for: requests and answers are lines of JSON.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type Module, TestProcess } from "./child_process.ts";

/** How long a process may take to end when it is told to, in milliseconds. */
const STOP_MS = 30_000;

/** The process, as the test sees it. */
export class HelperProcess<Request, Answer> {
  readonly #process: TestProcess;
  readonly #requests = new Map<number, PromiseWithResolvers<Answer>>();
  #lastId = 0;
  #isStopping = false;

  /** Starts a module, which calls {@linkcode answerRequests}. It ends when this process does. */
  constructor(module: Module, ...args: string[]) {
    this.#process = new TestProcess({ ...module, hasInput: true }, ...args);
    this.#process.onLine = (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: Answer };
      this.#requests.get(id)?.resolve(answer);
      this.#requests.delete(id);
    };
    this.gone().catch((error) => {
      for (const { reject } of this.#requests.values()) reject(error);
    });
  }

  /** The number of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** What it has printed to its standard error. */
  get errors(): string {
    return this.#process.errors;
  }

  /** Asks for something; rejects if the process ends before it answers. */
  ask<A extends Answer = Answer>(request: Request): Promise<A> {
    const id = ++this.#lastId;
    const asked = Promise.withResolvers<Answer>();
    this.#requests.set(id, asked);
    this.#process.send(JSON.stringify({ id, request }));
    return asked.promise as Promise<A>;
  }

  /** Rejects when the process ends without being told to. */
  async gone(): Promise<never> {
    const how = await this.#process.ended;
    if (this.#isStopping) return await new Promise<never>(() => {});
    throw new Error(`The helper ended with ${how}: ${this.errors.slice(0, 4_000)}`);
  }

  /** Has it end, and gives how it did: 0 if in order. */
  async stop(): Promise<number | string> {
    this.#isStopping = true;
    this.#process.endInput();
    const timer = new AbortController();
    const late = setTimeout(STOP_MS, "not at all", { signal: timer.signal });
    late.catch(() => {});
    const how = await Promise.race([this.#process.ended, late]);
    timer.abort();
    this.#process.kill();
    return how;
  }

  /** Has the process do nothing any more, until it is killed. */
  suspend(): void {
    this.#process.signal("SIGSTOP");
  }

  /** Ends the process at once, which can't clean anything up. */
  async kill(): Promise<void> {
    this.#isStopping = true;
    this.#process.kill();
    await this.#process.ended;
  }
}

/** Answers requests, in such a process; resolves when it is to end. */
export async function answerRequests<Request, Answer>(
  answer: (request: Request) => Answer | Promise<Answer>,
): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, request } = JSON.parse(line) as { id: number; request: Request };
    process.stdout.write(`${JSON.stringify({ id, answer: await answer(request) })}\n`);
  });
  await new Promise<void>((resolve) => lines.on("close", () => resolve()));
}
