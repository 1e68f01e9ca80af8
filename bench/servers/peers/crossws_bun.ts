/** `crossws` on Bun, upon `Bun.serve`. */

import { announce } from "./arguments.ts";
import { Bun, type BunServeOptions, limits } from "./bun_serve_api.ts";
import { loadAdapter } from "./crossws.ts";

interface BunAdapter {
  handleUpgrade: BunServeOptions["fetch"];
  websocket: BunServeOptions["websocket"];
}

const adapter = await loadAdapter<BunAdapter>("bun");
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: adapter.handleUpgrade,
  websocket: { ...adapter.websocket, ...limits },
});
announce(server.port);
