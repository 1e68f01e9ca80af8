/** `Bun.serve`; to all connections by a loop, or by `publish`. */

import { announce, kind, variant } from "./arguments.ts";
import { Bun, type BunWebSocket, limits } from "./bun_serve_api.ts";

const sockets: BunWebSocket[] = [];

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("", { status: 400 });
  },
  websocket: {
    ...limits,
    open(socket) {
      if (kind !== "fan-out") return;
      if (variant === "publish") socket.subscribe("all");
      else sockets.push(socket);
    },
    message(socket, data) {
      if (kind !== "fan-out") socket.send(data);
      else if (variant === "publish") server.publish("all", data);
      else for (const other of sockets) other.send(data);
    },
  },
});
announce(server.port);
