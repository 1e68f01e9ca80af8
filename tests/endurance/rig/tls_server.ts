/**
 * An echo server over TLS, which also tells what memory it uses: see server_process.ts. Its deadlines for
 * handshakes are a hundredth of what they are.
 */

import process from "node:process";
import { tlsHandshakeTimeoutMs } from "../../../src/runtimes/shared/tls_handshakes.ts";
import { systemClock } from "../../../src/transport/clock.ts";
import { certificate } from "../../support/tls.ts";
import "./report_memory.ts";

const { setTimeout } = systemClock;
systemClock.setTimeout = (run, ms) => setTimeout(run, ms === tlsHandshakeTimeoutMs ? ms / 100 : ms);

const { serve } = await import("../../../mod.ts");
const server = await serve({
  port: 0,
  hostname: "127.0.0.1",
  tls: certificate,
  handshakeTimeoutMs: tlsHandshakeTimeoutMs / 100,
  message: (conn, data) => conn.send(data),
});
if (server.addr.transport !== "tcp") throw new Error("It listens on no port");
console.log(`listening on ws://127.0.0.1:${server.addr.port}/`);
process.on("SIGTERM", () => void server.shutdown());
