/**
 * The load generator, a program for Bun, whose sockets cost it less than Node's do: takes a task as
 * JSON, and prints the report as JSON.
 *
 * @module
 */

import process from "node:process";
import { createPayload, encodeClientFrame } from "./client_frame.ts";
import type { LoadConnection, Target } from "./connection.ts";
import { loadEcho } from "./echo.ts";
import { loadFanOut } from "./fan_out.ts";
import { loadHandshakes } from "./handshakes.ts";
import { loadIdle } from "./idle.ts";
import { loadLarge } from "./large.ts";
import { openAll } from "./open_all.ts";
import { probe } from "./probe.ts";
import { ClosedByServerError, ReplyReader } from "./reply_reader.ts";
import type { LoadReport, LoadResult, LoadTask } from "./result.ts";

const MASKING_KEY = 0x37fa213d;
/** The most that is written at a time, unless a single frame is larger. */
const MAX_WRITE_SIZE = 1024 * 1024;

function createTarget({ workload, port, raw }: LoadTask): Target {
  const { size, payload, inFlight } = workload;
  const opcode = payload === "binary" ? 0x2 : 0x1;
  const frame = encodeClientFrame(opcode, createPayload(payload, size), MASKING_KEY);
  const count = Math.max(1, Math.min(inFlight, Math.floor(MAX_WRITE_SIZE / frame.length)));
  const frames = new Uint8Array(count * frame.length);
  for (let i = 0; i < count; i++) frames.set(frame, i * frame.length);
  const createReader = () => new ReplyReader({ opcode, size, masked: raw });
  return { port, raw, frames, frameSize: frame.length, createReader };
}

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
    if (kind === "idle") return await loadIdle(task, target, watch);
    if (kind === "handshake") return await loadHandshakes(task, target);
    // The large message is so large that to send it twice would be to measure the second one.
    if (kind !== "large") await probe(task, target);
    const connections = await openAll(target, count);
    watch(connections);
    if (kind === "large") return await loadLarge(task, connections[0]);
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
