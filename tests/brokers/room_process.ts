/**
 * A process that serves a room of several servers: `room_process.ts BROKER PORT [resume]`. What a client
 * sends, all others get.
 *
 * @module
 */

import process from "node:process";
import { serve, type Server } from "../../mod.ts";
import { createBroker } from "./real_broker.ts";
import { ROOM } from "./room.ts";

const [word, port, resume] = process.argv.slice(2);

const server: Server = await serve({
  port: 0,
  hostname: "127.0.0.1",
  broker: createBroker(word, Number(port)),
  resume: resume === "resume",
  open: (conn) => void conn.subscribe(ROOM),
  message(conn, data) {
    server.publish(ROOM, data, { except: conn });
  },
});
if (server.addr.transport === "tcp") console.log(`port ${server.addr.port}`);
