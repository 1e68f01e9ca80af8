/**
 * The load generator, a program for Bun, whose sockets cost it less than Node's do: takes a task as
 * JSON, and prints the report as JSON.
 *
 * @module
 */

import process from "node:process";
import type { LoadConnection } from "./connection.ts";
import { loadEcho } from "./echo.ts";
import { loadFanOut } from "./fan_out.ts";
import { loadHandshakes } from "./handshakes.ts";
import { loadIdle } from "./idle.ts";
import { loadKeepAlive } from "./keep_alive.ts";
import { loadLarge } from "./large.ts";
import { loadMemory } from "./memory.ts";
import { openAll } from "./open_all.ts";
import { probe } from "./probe.ts";
import { ClosedByServerError } from "./reply_reader.ts";
import type { LoadReport, LoadResult, LoadTask } from "./result.ts";
import { createTarget } from "./target.ts";

/** Runs the task; a connection that is lost or wrong ends it. */
function load(task: LoadTask): Promise<LoadResult> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const watch = (connections: LoadConnection[]) => {
    for (const connection of connections) connection.receiveError = reject;
  };
  const run = async () => {
    const target = createTarget(task);
    const { kind, connections: count } = task.workload;
    // Nothing is sent there, and a new process is what matters.
    if (kind === "idle" || kind === "subscribed") return await loadIdle(task, target, watch);
    if (kind === "handshake") return await loadHandshakes(task, target);
    // The large message is so large that to send it twice would be to measure the second one; and with
    // keep-alive, none is sent.
    if (kind !== "large" && kind !== "keep-alive") await probe(task, target);
    if (kind === "memory") return await loadMemory(task, target, watch);
    const connections = await openAll(target, count);
    watch(connections);
    if (kind === "large") return await loadLarge(task, connections[0]);
    if (kind === "keep-alive") return await loadKeepAlive(task, connections);
    return await (kind === "fan-out" ? loadFanOut : loadEcho)(task, connections);
  };
  return Promise.race([run(), failed]);
}

async function report(task: LoadTask): Promise<LoadReport> {
  try {
    return { result: await load(task) };
  } catch (error) {
    const { message } = error as Error;
    return error instanceof ClosedByServerError ? { refusal: message } : { error: message };
  }
}

console.log(JSON.stringify(await report(JSON.parse(process.argv[2]))));
process.exit(0);
