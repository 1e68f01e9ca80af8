/** `Deno.upgradeWebSocket`. */

import { announce, kind } from "./arguments.ts";

const sockets = new Set<WebSocket>();

Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => announce(port) },
  (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    if (kind === "fan-out") socket.onopen = () => void sockets.add(socket);
    socket.onclose = () => void sockets.delete(socket);
    socket.onmessage = ({ data }) => {
      if (kind !== "fan-out") return socket.send(data);
      for (const other of sockets) other.send(data);
    };
    return response;
  },
);
