/**
 * The server that is soaked, with default options. Its arguments are faults to have. It tells where it
 * listens, and how it stands; it ends in order when its input does.
 *
 * @module
 */

import { activeTimers } from "./timer_count.ts";
import process from "node:process";
import { serve, type Server } from "../../../mod.ts";
import { collectGarbage } from "../../support/collect_garbage.ts";
import { answerRequests } from "../../support/helper_process.ts";
import { Mistakes } from "./faults.ts";
import { createCallbacks, createHandler } from "./programs.ts";
import type { Ports, ServerSample } from "./reports.ts";

const mistakes = new Mistakes(process.argv.slice(2));
const options = { hostname: "127.0.0.1", port: 0 };
const servers = await Promise.all([
  serve({ ...options, ...createCallbacks(mistakes) }),
  serve(options, createHandler(mistakes)),
]);

function portOf({ addr }: Server): number {
  if (addr.transport !== "tcp") throw new TypeError(`Cannot use ${addr.transport}`);
  return addr.port;
}

async function sample(): Promise<ServerSample> {
  const usedMemory = await collectGarbage();
  const stats = servers.map((server) => server.stats());
  return {
    usedMemory,
    timers: activeTimers(),
    connections: stats.reduce((sum, { connections }) => sum + connections, 0),
    handshakes: stats.reduce((sum, { handshakes }) => sum + handshakes, 0),
  };
}

const ports: Ports = { callbacks: portOf(servers[0]), handler: portOf(servers[1]) };
await answerRequests<"ports" | "sample", Ports | ServerSample>((request) =>
  request === "ports" ? ports : sample()
);
mistakes.clear();
await Promise.all(servers.map((server) => server.shutdown()));
