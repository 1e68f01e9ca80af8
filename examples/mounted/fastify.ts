/**
 * A Fastify application with a WebSocket beside its routes, on one port:
 *
 *     node examples/mounted/fastify.ts [PORT]
 *
 * Deno and Bun run it likewise.
 */

import { fastify } from "fastify";
import process from "node:process";
import { mount } from "../../src/runtimes/node/mount.ts";

const echo = await mount({ message: (conn, data) => conn.send(data) });

const app = fastify();
app.get("/stats", () => ({ connected: echo.connections.size }));

echo.attach(app.server, { path: "/echo" });
// Fastify waits for the sockets of its server before it is closed.
app.addHook("preClose", () => echo.shutdown());

console.log(
  `listening on ${await app.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 8080) })}/`,
);

process.once("SIGTERM", () => void app.close());
