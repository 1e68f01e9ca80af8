/**
 * A process that serves a room, and who is in it: `presence_process.ts BROKER PORT TTL_MS`. A client is there
 * as the path of its URL says, and gets what it asks for: the members, as JSON.
 *
 * @module
 */

import process from "node:process";
import { serve, type Server } from "../../mod.ts";
import { createBroker } from "./real_broker.ts";
import { ROOM } from "./room.ts";

const [word, port, ttlMs] = process.argv.slice(2);

const server: Server<string> = await serve<string>({
  port: 0,
  hostname: "127.0.0.1",
  broker: createBroker(word, Number(port)),
  presence: {
    ttlMs: Number(ttlMs),
    notice: ({ type, key }) => `${type} ${key}`,
  },
  upgrade: (request) => ({ data: new URL(request.url).pathname.slice(1) }),
  open: (conn) => void conn.subscribe(ROOM, { presence: { key: conn.data } }),
  message: async (conn) => conn.send(JSON.stringify(await server.presence(ROOM))),
});
if (server.addr.transport === "tcp") console.log(`port ${server.addr.port}`);
