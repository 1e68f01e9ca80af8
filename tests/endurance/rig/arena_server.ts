/**
 * The server that is attacked: it echoes, with default options. The argument says how: `callback`,
 * `iterate` or `messages`. `--deadlines JSON`: the options of other deadlines than the default ones.
 * `--compression`: it agrees to compression. A connection that sends the text "be slow" is from then on
 * waited with, for a while each message; one that sends "be closed" is closed; one that sends "stall for",
 * and a number, has the whole process do nothing for so many milliseconds; and one that sends "longest
 * stall" is told how long the event loop was kept at most since that was asked last, in milliseconds.
 *
 * @module
 */

import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Connection, type ConnectionCallbacks, type Handler, serve } from "../../../mod.ts";
import "./report_memory.ts";
import { watchStalls } from "./stalls.ts";

const SLOW_MS = 20;

const slow = new WeakSet<Connection>();

function answer(conn: Connection, data: string | Uint8Array): void | Promise<void> {
  if (data === "be slow") slow.add(conn);
  if (typeof data === "string" && data.startsWith("stall for ")) stall(Number(data.slice(10)));
  if (data === "be closed") void conn.close();
  else if (data === "longest stall") return conn.send(`${stalls.takeLongest()}`);
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
  messages: async (conn) => {
    for await (const message of conn.messages()) {
      // The clients of this style send texts only to ask for something.
      if (message.type === "text") await answer(conn, await message.text());
      else await conn.sendStream("binary", message.body);
    }
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { deadlines: { type: "string", default: "{}" }, compression: { type: "boolean" } },
});
const style = styles[positionals[0]];
const { deadlines, compression } = values;
const options = { hostname: "127.0.0.1", port: 0, compression, ...JSON.parse(deadlines) };
const stalls = watchStalls();
const server = typeof style === "function"
  ? await serve(options, style)
  : await serve({ ...options, ...style });
const { addr } = server;
if (addr.transport === "tcp") console.log(`listening on ws://127.0.0.1:${addr.port}/`);
process.once("SIGTERM", () => void server.shutdown());
await server.finished;
