/**
 * Runs examples, on any runtime: `deno run -A tools/run_example.ts FILE...`. Each server that is open when
 * the top level has run is visited by a client. Ends with status 0 if nothing has failed by then, nor
 * reported an error.
 *
 * @module
 */

import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { connect, UnexpectedResponseError } from "../src/runtimes/shared/client.ts";
import { type Server, WebSocketServer } from "../src/server/server.ts";

const SETTLE_MS = 100;
/** Where servers of the testing tools listen, which no socket reaches. */
const IN_MEMORY = "192.0.2.1";

/** The servers of the examples that are open. */
const servers: Set<Server> = new Set();
const { listen } = WebSocketServer;
WebSocketServer.listen = async <Data>(...given: Parameters<typeof listen<Data>>) => {
  const server = await listen.call<typeof WebSocketServer, typeof given, Promise<unknown>>(
    WebSocketServer,
    ...given,
  ) as WebSocketServer<Data>;
  servers.add(server as Server);
  void server.finished.then(() => servers.delete(server as Server));
  return server;
};

// What callbacks and handlers throw goes there, and would go unnoticed.
let hasReported = false;
const { error } = console;
console.error = (...given) => {
  hasReported ||= !given.some(isUnreachable);
  error(...given);
};

/** Whether an error is that of a broker: none has to be there, and a server serves without. */
function isUnreachable(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown };
  return ["EAI_AGAIN", "ECONNREFUSED", "ENOTFOUND"].includes(String(code));
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** Sends a text and bytes to a server, so that its handler or callbacks run: both as they may be read as JSON. */
async function visit({ addr }: Server): Promise<void> {
  if (addr.transport !== "tcp" || addr.hostname === IN_MEMORY) return;
  try {
    const conn = await connect(`ws://127.0.0.1:${addr.port}/?name=Ada`, { message() {} });
    void conn.send(JSON.stringify({ type: "hello", text: "a text" }));
    void conn.send(Uint8Array.of(1));
    await settle();
    conn.abort();
  } catch (error) {
    // Some let nobody in who does not say who he is.
    if (!(error instanceof UnexpectedResponseError) || error.status === 500) throw error;
  }
}

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
await settle();
for (const server of servers) await visit(server);
await settle();
process.exit(hasReported ? 1 : 0);
