/**
 * Sluice for Node alone: the same as `@sluice/websocket`, with the adapter over `node:net` and `node:tls`
 * imported statically, for bundlers and for programs that run on Node only.
 *
 * @example
 * ```ts
 * import { serve } from "@sluice/websocket/node";
 *
 * await serve({ port: 8080, message: (conn, data) => conn.send(data) });
 * ```
 *
 * @module
 */

import { createServe, type Serve } from "../../server/serve.ts";
import { listen } from "./listen.ts";

export * from "../../server/mod.ts";

/** Starts a server on Node. See {@linkcode Serve}. */
export const serve: Serve = createServe(listen);
