import { type Connection, serve, type ServeOptions } from "../../mod.ts";
import type { ConnectionCallbacks } from "../../src/connection/connection.ts";

/** Runs a server for as long as `body` takes. It echoes, unless the setup has callbacks. */
export async function withServer(
  setup: ServeOptions & ConnectionCallbacks,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const echo = { message: (conn: Connection, data: string | Uint8Array) => conn.send(data) };
  const server = await serve({ port: 0, hostname: "127.0.0.1", ...echo, ...setup });
  try {
    const port = server.addr.transport === "tcp" ? server.addr.port : 0;
    await body(`${setup.tls === undefined ? "ws" : "wss"}://127.0.0.1:${port}/`);
  } finally {
    await server.shutdown({ timeoutMs: 1 });
  }
}
