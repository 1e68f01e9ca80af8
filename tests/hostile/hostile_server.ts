/**
 * The server that is attacked: it echoes, with default options. The first argument says how: `callback` or
 * `iterate`; a second one, after how many milliseconds a peer counts as silent, instead of the
 * default. A connection that sends the text "be slow" is from then on waited with, for a while each
 * message; one that sends "be closed" is closed; and one that sends "stall for", and a number, has the
 * whole process do nothing for so many milliseconds.
 *
 * @module
 */

import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { type Connection, type ConnectionCallbacks, type Handler, serve } from "../../mod.ts";
import "../stress/report_memory.ts";

const SLOW_MS = 20;

const slow = new WeakSet<Connection>();

function answer(conn: Connection, data: string | Uint8Array): void | Promise<void> {
  if (data === "be slow") slow.add(conn);
  if (typeof data === "string" && data.startsWith("stall for ")) stall(Number(data.slice(10)));
  if (data === "be closed") void conn.close();
  else return slow.has(conn) ? answerSlowly(conn, data) : conn.send(data);
}

function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function answerSlowly(conn: Connection, data: string | Uint8Array): Promise<void> {
  await setTimeout(SLOW_MS);
  await conn.send(data);
}

const styles: Record<string, Handler | ConnectionCallbacks> = {
  callback: { message: answer },
  iterate: async (conn) => {
    for await (const data of conn) await answer(conn, data);
  },
};

const [, , styleName, silenceMs] = process.argv;
const style = styles[styleName];
const keepAlive = silenceMs === undefined
  ? undefined
  : { intervalMs: Number(silenceMs) / 2, timeoutMs: Number(silenceMs) / 2 };
const options = { hostname: "127.0.0.1", port: 0, keepAlive };
const server = typeof style === "function"
  ? await serve(options, style)
  : await serve({ ...options, ...style });
const { addr } = server;
if (addr.transport === "tcp") console.log(`listening on ws://127.0.0.1:${addr.port}/`);
process.once("SIGTERM", () => void server.shutdown());
await server.finished;
