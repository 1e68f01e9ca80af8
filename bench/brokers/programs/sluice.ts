/** Sluice with a broker: what a connection sends goes to the room, on all servers. */

import process from "node:process";
import { type Broker, serve, type Server } from "../../../mod.ts";
import { natsBroker } from "../../../src/brokers/nats.ts";
import { redisBroker } from "../../../src/brokers/redis.ts";

const [, , kind, port] = process.argv;
const broker: Broker = kind === "nats"
  ? natsBroker({ servers: `127.0.0.1:${port}` })
  : redisBroker({ url: `redis://127.0.0.1:${port}` });

const server: Server<string | null> = await serve({
  hostname: "127.0.0.1",
  port: 0,
  broker,
  upgrade: (request) => ({ data: new URL(request.url).searchParams.get("role") }),
  open: (conn) => {
    if (conn.data === "subscriber") conn.subscribe("room");
  },
  message: (_conn, data) => server.publish("room", data),
});
if (server.addr.transport === "tcp") console.log(`listening on port ${server.addr.port} `);
