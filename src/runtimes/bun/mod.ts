/**
 * Sluice for Bun alone: the same as `@sluice/websocket`, with the adapter over `Bun.listen` imported
 * statically, for bundlers and for programs that run on Bun only.
 *
 * @example
 * ```ts on bun
 * import { serve } from "@sluice/websocket/bun";
 *
 * await serve({ port: 8080, message: (conn, data) => conn.send(data) });
 * ```
 *
 * @module
 */

import { createServe, type Serve } from "../../server/serve.ts";
import { listen } from "./listen.ts";

export * from "../../server/mod.ts";

/** Starts a server on Bun. See {@linkcode Serve}. */
export const serve: Serve = createServe(listen);
