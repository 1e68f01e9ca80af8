/**
 * Runs a server in a process of its own, on the runtime of the test, so that its memory and its
 * descriptors are its own.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { setTimeout } from "node:timers/promises";
import { TestProcess } from "../../support/child_process.ts";
import { ProcessStatus } from "./process_status.ts";
import { REQUEST, TcpClient } from "./tcp_client.ts";

/** How long a server may take to end after SIGTERM, where all its connections have ended. */
const STOP_MS = 4_000;
/** Nothing a server waits for takes longer: the handshake has 10 seconds, the close 5. */
const SETTLE_MS = 20_000;
/** Longer than a busy server takes to collect its garbage. */
const MEMORY_MS = 120_000;

/** A server that runs. */
export class ServerProcess extends ProcessStatus {
  /** The port it listens on. */
  readonly port: number;
  readonly #clients: Set<TcpClient> = new Set();
  readonly #process: TestProcess;

  /**
   * Starts a script. It must print the URL it listens on.
   *
   * @param script The name of a file in this folder, or its URL.
   * @param args Its arguments.
   */
  static async start(script: string | URL, args: string[] = []): Promise<ServerProcess> {
    const url = new URL(script, import.meta.url);
    const process = new TestProcess({ url, collectsGarbage: true }, ...args);
    const [, port] = await process.untilPrinted(/^listening on ws:.*:(\d+)\/$/m);
    // The line that was waited for.
    await process.nextLine();
    return new ServerProcess(process, Number(port));
  }

  private constructor(process: TestProcess, port: number) {
    super(process.pid);
    this.#process = process;
    this.port = port;
  }

  /** The number of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Connects a client, which `kill()` drops. */
  async connect(onBytes?: (bytes: Uint8Array) => void): Promise<TcpClient> {
    const client = await TcpClient.connect(this.port, onBytes);
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

  /** Collects the server's garbage; gives the bytes that JavaScript uses after it. */
  async usedMemory(): Promise<number> {
    this.signal("SIGHUP");
    for (;;) {
      const memory = /^memory (\d+)$/.exec(await this.#process.nextLine(MEMORY_MS));
      if (memory !== null) return Number(memory[1]);
    }
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  /** Ends the server, and checks that it ends by itself, in order, and had nothing to complain of. */
  async stop(): Promise<void> {
    const startedAt = performance.now();
    this.#process.end();
    await this.#process.untilEnded(STOP_MS * 10).catch(() => {});
    const tookMs = performance.now() - startedAt;
    this.kill();
    const { errors } = this.#process;
    assertEquals({ outcome: await this.#process.ended, errors }, { outcome: 0, errors: "" });
    assertEquals(tookMs < STOP_MS, true, `the server took ${tookMs} ms to end`);
  }

  /** Ends the server and its clients, whatever they do. */
  kill(): void {
    for (const client of this.#clients) client.reset();
    this.#process.kill();
  }
}
