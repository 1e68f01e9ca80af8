/** Socket.IO with its Redis adapter, on Node: what a connection sends goes to the room, on all servers. */

import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createClient } from "redis";

interface Socket {
  handshake: { query: { role?: string } };
  join(room: string): void;
  on(event: "m", listener: (data: string) => void): void;
}

interface SocketIo {
  adapter(adapter: unknown): void;
  on(event: "connection", listener: (socket: Socket) => void): void;
  to(room: string): { emit(event: "m", data: string): void };
}

// Not by import: it is installed when it is measured first, and has to be type-checked before.
const require = createRequire(new URL("../socket_io/package.json", import.meta.url));
const { Server } = require("socket.io") as {
  Server: new (server: unknown, options: Record<string, unknown>) => SocketIo;
};
const { createAdapter } = require("@socket.io/redis-adapter") as {
  createAdapter(publisher: unknown, subscriber: unknown): unknown;
};

const publisher = createClient({ url: `redis://127.0.0.1:${process.argv[3]}` });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
// WebSocket only, so that nobody begins with polling; compression is off, as it is by default.
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
io.adapter(createAdapter(publisher, subscriber));
io.on("connection", (socket) => {
  if (socket.handshake.query.role === "subscriber") socket.join("room");
  socket.on("m", (data) => io.to("room").emit("m", data));
});
http.listen(0, "127.0.0.1", () => {
  console.log(`listening on port ${(http.address() as AddressInfo).port} `);
});
