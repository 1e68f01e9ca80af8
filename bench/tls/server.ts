/**
 * A TLS server that reads and ends with its client: `sluice`, by the listener of Sluice, `own`, by what the
 * runtime has, or `node:tls`. Tells its port, and the CPU time it has taken, in microseconds.
 *
 * @module
 */

import process from "node:process";
import { createServer } from "node:tls";
import { loadListen } from "../../src/runtimes/shared/runtime.ts";
import { answerRequests } from "../../tests/support/helper_process.ts";
import { certificate } from "../../tests/support/tls.ts";

// deno-lint-ignore no-explicit-any
declare const Deno: any, Bun: any;

const { cert, key } = certificate;
const hostname = "127.0.0.1";

/** By `Deno.listenTls`. */
async function serveOnDeno(): Promise<number> {
  const listener = Deno.listenTls({ hostname, port: 0, cert, key });
  const serve = async (conn: { read(into: Uint8Array): Promise<number | null>; close(): void }) => {
    try {
      while (await conn.read(new Uint8Array(4096)) !== null);
    } catch {
      // It is over.
    }
    conn.close();
  };
  void (async () => {
    for (;;) await listener.accept().then(serve, () => {});
  })();
  return await Promise.resolve(listener.addr.port);
}

const STARTS: Record<string, () => Promise<number>> = {
  async sluice() {
    const listen = await loadListen();
    const listener = await listen({ hostname, port: 0 }, { cert, key }, (channel) => {
      channel.handler = {
        receive() {},
        receiveEnd: () => channel.end(),
        drain() {},
        receiveClosed() {},
      };
    });
    return (listener.addr as { port: number }).port;
  },
  own() {
    if ("Deno" in globalThis) return serveOnDeno();
    if ("Bun" in globalThis) {
      const socket = { data() {}, end: (socket: { end(): void }) => socket.end() };
      return Promise.resolve(Bun.listen({ hostname, port: 0, tls: { cert, key }, socket }).port);
    }
    return STARTS["node:tls"]();
  },
  "node:tls": () =>
    new Promise((resolve) => {
      const server = createServer({ cert, key }, (socket) => socket.on("error", () => {}).resume());
      server.listen(0, hostname, () => resolve((server.address() as { port: number }).port));
    }),
};

const port = await STARTS[process.argv[2]]();
await answerRequests((request: "port" | "CPU") => {
  if (request === "port") return port;
  const { user, system } = process.cpuUsage();
  return user + system;
});
