/**
 * Runs a server in a process of its own, on the runtime of the test, so that its memory and its
 * descriptors are its own.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { KiB } from "./scale.ts";
import { REQUEST, TcpClient } from "./tcp_client.ts";

/** How long a server may take to end after SIGTERM, where all its connections have ended. */
const STOP_MS = 4_000;
/** Nothing a server waits for takes longer: the handshake has 10 seconds, the close 5. */
const SETTLE_MS = 20_000;

function command(script: string | URL): string[] {
  const file = fileURLToPath(new URL(script, import.meta.url));
  if ("Bun" in globalThis) return ["run", file];
  if ("Deno" in globalThis) return ["run", "-A", "--no-check", "--v8-flags=--expose-gc", file];
  return ["--expose-gc", "--disable-warning=ExperimentalWarning", file];
}

/** A server that runs. */
export class ServerProcess {
  readonly #port: number;
  readonly #clients: Set<TcpClient> = new Set();
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #errors: string[];
  #onMemory: ((bytes: number) => void) | undefined;

  /**
   * Starts a script. It must print the URL it listens on first.
   *
   * @param script The name of a file in this folder, or its URL.
   * @param args Its arguments.
   */
  static async start(script: string | URL, args: string[] = []): Promise<ServerProcess> {
    const child = spawn(process.execPath, [...command(script), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let onLine = (_line: string) => {};
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const port = /^listening on ws:.*:(\d+)\/$/.exec(line);
      if (port !== null) resolve(Number(port[1]));
      else onLine(line);
    });
    child.on("exit", (code, signal) => reject(new Error(`${script} ended: ${signal ?? code}`)));
    const errors: string[] = [];
    child.stderr!.on("data", (bytes: Uint8Array) => errors.push(new TextDecoder().decode(bytes)));
    const port = await promise.catch((error) => {
      throw new Error(`${error.message}\n${errors.join("")}`);
    });
    const server = new ServerProcess(child, port, errors);
    onLine = (line) => server.#receiveLine(line);
    return server;
  }

  private constructor(child: ChildProcess, port: number, errors: string[]) {
    this.#child = child;
    this.#port = port;
    this.#errors = errors;
    const { promise, resolve } = Promise.withResolvers<number | string>();
    this.#ended = promise;
    child.on("exit", (code, signal) => resolve(signal ?? code ?? "unknown"));
  }

  /** The number of the process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** The port it listens on. */
  get port(): number {
    return this.#port;
  }

  /** Connects a client, which `kill()` drops. */
  async connect(onBytes?: (bytes: Uint8Array) => void): Promise<TcpClient> {
    const client = await TcpClient.connect(this.#port, onBytes);
    this.#clients.add(client);
    client.closed.then(() => this.#clients.delete(client));
    return client;
  }

  /** Connects a client, and makes the opening handshake. */
  async open(onBytes?: (bytes: Uint8Array) => void): Promise<TcpClient> {
    const client = await this.connect(onBytes);
    await client.write(REQUEST);
    await client.opened;
    return client;
  }

  /** The memory in RAM, in bytes. */
  get residentSize(): number {
    return this.#status("VmRSS");
  }

  /** The most memory that was in RAM since {@linkcode ServerProcess.resetPeak}, in bytes. */
  get peakSize(): number {
    return this.#status("VmHWM");
  }

  /** Forgets the peak so far. */
  resetPeak(): void {
    writeFileSync(`/proc/${this.#child.pid}/clear_refs`, "5");
  }

  /** The number of open descriptors. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length;
  }

  /** Waits until the server has no more descriptors than that. */
  async untilDescriptors(count: number): Promise<void> {
    const endsAt = performance.now() + SETTLE_MS;
    while (this.descriptors > count) {
      if (performance.now() > endsAt) {
        throw new Error(`${this.descriptors - count} descriptors are left`);
      }
      await setTimeout(20);
    }
  }

  /** The time that the processor has spent for the process, in milliseconds. */
  get cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1");
    // Behind the name, which ends at the last parenthesis; in units of 10 ms.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Collects the server's garbage; gives the bytes that JavaScript uses after it. */
  usedMemory(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#onMemory = resolve;
    this.signal("SIGHUP");
    return promise;
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    // Not by the child's own method: Deno then reports that the signal ended it, whatever it did.
    process.kill(this.#child.pid!, signal);
  }

  /** Ends the server, and checks that it ends by itself, in order, and had nothing to complain of. */
  async stop(): Promise<void> {
    const startedAt = performance.now();
    this.signal("SIGTERM");
    const timer = new AbortController();
    const timeout = setTimeout(STOP_MS * 10, "still running", { signal: timer.signal });
    timeout.catch(() => {});
    const outcome = await Promise.race([this.#ended, timeout]);
    timer.abort();
    const tookMs = performance.now() - startedAt;
    this.kill();
    assertEquals({ outcome, errors: this.#errors.join("") }, { outcome: 0, errors: "" });
    assertEquals(tookMs < STOP_MS, true, `the server took ${tookMs} ms to end`);
  }

  /** Ends the server and its clients, whatever they do. */
  kill(): void {
    for (const client of this.#clients) client.reset();
    this.#child.kill("SIGKILL");
  }

  #receiveLine(line: string): void {
    const memory = /^memory (\d+)$/.exec(line);
    if (memory !== null) this.#onMemory?.(Number(memory[1]));
  }

  #status(field: string): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "latin1");
    return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)![1]) * KiB;
  }
}
