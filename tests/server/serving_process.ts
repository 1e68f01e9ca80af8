/**
 * A process that serves, and is to end by itself or not: the word given says how.
 *
 * @module
 */

import process from "node:process";
import { setTimeout } from "node:timers";
import { serve } from "../../mod.ts";

const server = await serve({ port: 0, hostname: "127.0.0.1" }, (conn) => conn.closed);
const { addr } = server;
if (addr.transport === "tcp") console.log(`port ${addr.port}`);

/** Calls back where something else keeps the process alive until then. */
function ifStillAlive(callback: () => void): void {
  setTimeout(callback, 200).unref();
}

switch (process.argv[2]) {
  case "unref":
    server.unref();
    ifStillAlive(() => console.log("alive"));
    break;
  case "ref":
    server.unref();
    server.ref();
    ifStillAlive(() => {
      console.log("alive");
      void server.shutdown();
    });
    break;
  case "connection": {
    const isOpen = setInterval(() => {
      if (server.connections.size === 0) return;
      clearInterval(isOpen);
      server.unref();
      ifStillAlive(() => console.log("alive"));
    }, 5);
    break;
  }
  case "shutdown": {
    const hasEnded = setInterval(() => {
      if (server.connections.size === 0) return;
      clearInterval(hasEnded);
      void server.shutdown().then(() => console.log("finished"));
    }, 5);
  }
}
