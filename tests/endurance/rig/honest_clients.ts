/**
 * Runs `honest_process.ts`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { ServerProcess } from "./server_process.ts";
import { moduleCommand } from "../../support/child_process.ts";

/** What honest clients have been through. */
export interface Waits {
  /** The longest wait for an echo, in milliseconds. */
  echoMs: number;
  /** What 99 of 100 waits for an echo were below, in milliseconds. */
  echo99Ms: number;
  /** The longest wait for a new connection and its first echo, in milliseconds. */
  arrivalMs: number;
  /** The echoes so far. */
  echoes: number;
  /** The connections so far. */
  arrivals: number;
}

/** Honest clients, in a process of their own. */
export class HonestClients {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  #errors = "";
  readonly #onLine: ((line: string) => void)[] = [];

  /** Starts them, as clients of a server that is a process of this machine. */
  static async start(server: ServerProcess): Promise<HonestClients> {
    const clients = new HonestClients(server);
    await clients.#nextLine();
    return clients;
  }

  private constructor({ port, pid }: ServerProcess) {
    const url = new URL("honest_process.ts", import.meta.url);
    const child = spawn(process.execPath, [...moduleCommand(url), `${port}`, `${pid}`], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr!.on("data", (bytes) => this.#errors += new TextDecoder().decode(bytes));
    createInterface({ input: child.stdout! }).on("line", (line) => this.#onLine.shift()?.(line));
    const { promise, resolve } = Promise.withResolvers<number | string>();
    this.#ended = promise;
    child.on("exit", (status, signal) => resolve(signal ?? status ?? "unknown"));
  }

  /** Gives the longest waits since this was called last; throws where somebody was not served. */
  async takeWaits(): Promise<Waits> {
    const line = this.#nextLine();
    this.#child.stdin!.write("\n");
    return JSON.parse(await line);
  }

  /** Ends them, and checks that all were served. */
  async stop(): Promise<void> {
    this.#child.stdin!.end();
    const status = await this.#ended;
    assertEquals({ status, errors: this.#errors }, { status: 0, errors: "" });
  }

  /** Ends them, whatever they do. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #nextLine(): Promise<string> {
    const line = new Promise<string>((resolve) => this.#onLine.push(resolve));
    const ended = this.#ended.then((status) => {
      throw new Error(`The honest clients ended with ${status}: ${this.#errors}`);
    });
    return Promise.race([line, ended]);
  }
}
