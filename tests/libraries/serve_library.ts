/**
 * A server whose connections are given to a library as WebSockets.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Handler, serve, type ServeOptions, type Server } from "../../mod.ts";

/** A server that runs. */
export interface LibraryServer {
  readonly server: Server;
  /** Where it is: `ws://` and an authority. */
  readonly url: string;
}

/**
 * Runs a server on a real port for as long as `body` takes, and checks that no connection and no error
 * is left.
 *
 * @param take Gives the WebSocket to the library.
 */
export async function withLibrary(
  take: (socket: WebSocket) => void,
  body: (server: LibraryServer) => Promise<void>,
  options: Omit<ServeOptions, "port" | "path"> = {},
): Promise<void> {
  const errors: unknown[] = [];
  const handler: Handler = async (conn) => {
    take(conn.asWebSocket());
    await conn.closed;
  };
  const server = await serve({
    port: 0,
    hostname: "127.0.0.1",
    onError: (error) => errors.push(error),
    ...options,
  }, handler);
  try {
    assert(server.addr.transport === "tcp");
    await body({ server, url: `ws://127.0.0.1:${server.addr.port}` });
  } finally {
    await server.shutdown();
  }
  assertEquals(errors, []);
}
