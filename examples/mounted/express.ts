/**
 * An Express application with a WebSocket beside its routes, on one port:
 *
 *     node examples/mounted/express.ts [PORT]
 *
 * Deno and Bun run it likewise.
 */

import express from "express";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { mount } from "../../src/runtimes/node/mount.ts";

const echo = await mount({ message: (conn, data) => conn.send(data) });

const app = express();
app.get("/stats", (_request, response) => {
  response.json({ connected: echo.connections.size });
});

const server = createServer(app);
echo.attach(server, { path: "/echo" });
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});

process.once("SIGTERM", () => {
  server.close();
  void echo.shutdown();
});
