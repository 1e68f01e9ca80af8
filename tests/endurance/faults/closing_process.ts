/**
 * A server that sends its first client what it asks for, closes at once, and ends with its process:
 * by itself, or by `process.exit()` as soon as the server has been shut down.
 *
 * Arguments: `exit` or `end`, and `close` (the connection, then the server) or `shutdown` (only the
 * server); then the certificate and its key for TLS.
 */

import process from "node:process";
import { serve } from "../../../mod.ts";
import { messagesOf } from "./messages.ts";

const [, , last, first, cert, key] = process.argv;

const server = await serve({
  port: 0,
  hostname: "127.0.0.1",
  tls: cert === undefined ? undefined : { cert, key },
  limits: { sendQueueSize: Infinity },
  memoryBudget: false,
  // On a busy machine, the slow reader takes longer than the default.
  closeTimeoutMs: 60_000,
}, async (conn) => {
  for await (const message of conn) {
    for (const data of messagesOf(Number(message))) void conn.send(data);
    if (first === "close") void conn.close({ closeCode: 1001 });
    await server.shutdown({ timeoutMs: 60_000 });
    if (last === "exit") process.exit();
  }
});
if (server.addr.transport === "tcp") console.log(`port ${server.addr.port}`);
