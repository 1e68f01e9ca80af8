/**
 * Honest clients, in a process of their own, so that what they wait for is the server: one that
 * stays, and echoes every 20 ms, and one after the other that connects, echoes once, and leaves. The
 * arguments are the port, and the server's process. For each line of input it prints the longest waits
 * since the last one, and at the end of input it ends; with an error, where one of them was not served.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { HonestClient } from "./honest_client.ts";
import { TcpClient } from "./tcp_client.ts";

const INTERVAL_MS = 20;
const NEWCOMER_INTERVAL_MS = 100;

const [, , port, serverProcess] = process.argv;
const server = {
  open: (onBytes: (bytes: Uint8Array) => void) => TcpClient.open(Number(port), onBytes),
};

/**
 * Tells the time, less that in which the server, or this process, had work to do and no core to do it
 * on: on a busy machine, that may be longer than anything the server does.
 */
function now(): number {
  return performance.now() - waitedForCore(serverProcess) - waitedForCore("self");
}

function waitedForCore(id: string): number {
  return Number(readFileSync(`/proc/${id}/schedstat`, "latin1").split(" ")[1]) / 1e6;
}

/** Connects again and again. */
class Newcomers {
  longestWaitMs = 0;
  count = 0;
  isStopping = false;
  arrivedAt: number | undefined;

  async run(): Promise<void> {
    while (!this.isStopping) {
      this.arrivedAt = now();
      const client = await HonestClient.open(server);
      await client.close();
      this.noteWait();
      this.arrivedAt = undefined;
      this.count++;
      await setTimeout(NEWCOMER_INTERVAL_MS);
    }
  }

  noteWait(): void {
    if (this.arrivedAt === undefined) return;
    this.longestWaitMs = Math.max(this.longestWaitMs, now() - this.arrivedAt);
  }

  takeLongestWait(): number {
    this.noteWait();
    const longest = this.longestWaitMs;
    this.longestWaitMs = 0;
    return longest;
  }
}

const honest = await HonestClient.open(server, INTERVAL_MS, now);
const newcomers = new Newcomers();
const running = newcomers.run();
const input = createInterface({ input: process.stdin });
input.on("line", () => {
  const waits = honest.takeWaits();
  console.log(JSON.stringify({
    echoMs: waits.at(-1),
    echo99Ms: waits[Math.ceil(waits.length * 0.99) - 1],
    arrivalMs: newcomers.takeLongestWait(),
    echoes: honest.count,
    arrivals: newcomers.count,
  }));
});
input.on("close", async () => {
  newcomers.isStopping = true;
  await running;
  await honest.close();
  process.exit(0);
});
console.log("ready");
