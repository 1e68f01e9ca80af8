/**
 * The load generator, a program for Bun, whose sockets cost the least of the three runtimes: takes a
 * task as JSON, and prints the report as JSON.
 *
 * @module
 */

import process from "node:process";
import { createPayload, encodeClientFrame } from "./client_frame.ts";
import { LoadConnection, type Target } from "./connection.ts";
import { loadEcho } from "./echo.ts";
import { probe } from "./probe.ts";
import { ClosedByServerError, ReplyReader } from "./reply_reader.ts";
import type { LoadReport, LoadResult, LoadTask } from "./result.ts";

/** How many connections are opened at a time: less than the backlog of any server. */
const OPENING = 64;
const MASKING_KEY = 0x37fa213d;

function createTarget({ workload, port, raw }: LoadTask): Target {
  const { size, payload, inFlight } = workload;
  const opcode = payload === "binary" ? 0x2 : 0x1;
  const frame = encodeClientFrame(opcode, createPayload(payload, size), MASKING_KEY);
  // As many as are written at a time, but no great memory.
  const count = Math.max(1, Math.min(inFlight, Math.floor(1024 * 1024 / frame.length)));
  const frames = new Uint8Array(count * frame.length);
  for (let i = 0; i < count; i++) frames.set(frame, i * frame.length);
  const createReader = () => new ReplyReader({ opcode, size, masked: raw });
  return { port, raw, frames, frameSize: frame.length, createReader };
}

async function openAll(target: Target, count: number): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = [];
  while (connections.length < count) {
    const batch = Math.min(OPENING, count - connections.length);
    const opening = Array.from({ length: batch }, () => LoadConnection.open(target));
    connections.push(...await Promise.all(opening));
  }
  return connections;
}

async function load(task: LoadTask): Promise<LoadResult> {
  const { promise: lost, reject } = Promise.withResolvers<never>();
  const run = async () => {
    const target = createTarget(task);
    await probe(task, target);
    const connections = await openAll(target, task.workload.connections);
    for (const connection of connections) connection.receiveError = reject;
    return await loadEcho(task, connections);
  };
  return await Promise.race([run(), lost]);
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
