/** `Bun.serve`; to all connections by a loop, or by `publish`. */

import { announce, compression, kind, variant } from "./arguments.ts";
import { Bun, type BunWebSocket, limits } from "./bun_serve_api.ts";

const sockets: BunWebSocket[] = [];
const isCompressing = compression !== "off";
/** A compressor for all sockets, or one for each, of 256 KiB: windows of 15 bits, memory level 8. */
const compressor = compression === "takeover" ? "dedicated" : "shared";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("", { status: 400 });
  },
  websocket: {
    ...limits,
    ...(isCompressing
      ? { perMessageDeflate: { compress: compressor, decompress: compressor } }
      : {}),
    open(socket) {
      if (kind !== "fan-out") return;
      if (variant === "publish") socket.subscribe("all");
      else sockets.push(socket);
    },
    message(socket, data) {
      if (kind !== "fan-out") socket.send(data, isCompressing);
      else if (variant === "publish") server.publish("all", data);
      else for (const other of sockets) other.send(data);
    },
  },
});
announce(server.port);
