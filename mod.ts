/**
 * A WebSocket server for Deno, Bun and Node, from the TCP socket up: one program, the same on all
 * three.
 *
 * @example An echo server with end-to-end backpressure
 * ```ts
 * import { serve } from "@sluice/websocket";
 *
 * const server = await serve(
 *   { port: 0, hostname: "127.0.0.1" },
 *   (conn) => conn.readable.pipeTo(conn.writable),
 * );
 * await server.shutdown();
 * ```
 *
 * @module
 */

import { loadListen } from "./src/runtimes/shared/runtime.ts";
import { createServe, type Serve } from "./src/server/serve.ts";

export * from "./src/server/mod.ts";

/** Starts a server on the runtime that the program runs on. See {@linkcode Serve}. */
export const serve: Serve = createServe(async (...given) => {
  const listen = await loadListen();
  return await listen(...given);
});
