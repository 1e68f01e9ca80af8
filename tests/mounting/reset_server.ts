/**
 * An HTTP server with a WebSocket echo on `/chat`, which refuses all other upgrades: `http|https HOW`.
 *
 * - `alone`: attached, with nobody else.
 * - `watched`: attached, with somebody who watches.
 * - `by-hand`: by a listener of its own.
 *
 * Plain requests are answered a little later.
 */

import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import process from "node:process";
import { mount } from "../../src/runtimes/node/mount.ts";
import { certificate } from "../support/tls.ts";

const [scheme, how] = process.argv.slice(2);
const chat = await mount({
  closeTimeoutMs: 200,
  handshakeTimeoutMs: 500,
  message: (conn, data) => conn.send(data),
});
const http = scheme === "https" ? createTlsServer(certificate) : createServer();
http.on("request", (_request, response) => setTimeout(() => response.end("plain"), 5));
if (how === "by-hand") {
  http.on("upgrade", (request, socket, head) => {
    if (request.url === "/chat") chat.handleUpgrade(request, socket, head);
    else chat.refuseUpgrade(request, socket, head);
  });
} else {
  if (how === "watched") http.on("upgrade", () => {});
  chat.attach(http, { path: "/chat", others: how === "watched" ? "refuse" : "leave" });
}
http.listen(0, "127.0.0.1", () => {
  console.log(`listening on ws://127.0.0.1:${(http.address() as { port: number }).port}/`);
});
process.once("SIGTERM", () => {
  http.close();
  http.closeAllConnections();
  void chat.shutdown({ timeoutMs: 500 });
});
