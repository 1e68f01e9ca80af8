/** Sluice, in each of its styles. */

import {
  type CompressionOptions,
  type Handler,
  serve,
  type ServeOptions,
  type ServerCallbacks,
  type ServerConnection,
} from "../../../mod.ts";
import { LEVEL, MEMORY_LEVEL, type ServerCompression, WINDOW_BITS } from "../compression.ts";
import { announce, compression, kind, maxMessageSize, variant } from "./arguments.ts";

const everything: CompressionOptions = kind === "memory" ? { threshold: 0 } : {
  threshold: 0,
  level: LEVEL,
  memoryLevel: MEMORY_LEVEL,
  serverMaxWindowBits: WINDOW_BITS,
  clientMaxWindowBits: WINDOW_BITS,
};
const compressions: Record<ServerCompression, ServeOptions["compression"]> = {
  "off": false,
  "defaults": true,
  "no-takeover": everything,
  "takeover": { ...everything, contextTakeover: true },
};

const options: ServeOptions = {
  hostname: "127.0.0.1",
  port: 0,
  compression: compressions[compression],
  ...(kind === "keep-alive" ? { keepAlive: { intervalMs: 1000, timeoutMs: 1000 } } : {}),
  limits: maxMessageSize === undefined ? {} : { maxMessageSize },
};

let opened = 0;

/** Has each in a room of 100, alone in a topic of its own, and with all others in one. */
function subscribe(conn: ServerConnection): void {
  const number = opened++;
  conn.subscribe("all");
  conn.subscribe(`room:${Math.floor(number / 100)}`);
  conn.subscribe(`user:${number}`);
}

const styles: Record<string, Handler | ServerCallbacks> = {
  callback: {
    message: (conn, data) => conn.send(data),
    ...(kind === "subscribed" ? { open: subscribe } : {}),
  },
  iteration: async (conn) => {
    for await (const message of conn) await conn.send(message);
  },
  streams: (conn) => conn.readable.pipeTo(conn.writable),
  messages: async (conn) => {
    for await (const message of conn.messages()) await conn.send(await message.bytes());
  },
  bodies: async (conn) => {
    for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
  },
};

const fanOuts: Record<string, ServerCallbacks> = {
  callback: {
    message(_conn, data) {
      for (const conn of server.connections) conn.trySend(data);
    },
  },
  publish: {
    open: (conn) => void conn.subscribe("all"),
    message: (_conn, data) => server.publish("all", data),
  },
};

const style = kind === "fan-out" ? fanOuts[variant] : styles[variant];
const server = typeof style === "function"
  ? await serve(options, style)
  : await serve({ ...options, ...style });
if (server.addr.transport === "tcp") announce(server.addr.port);
