/**
 * Sluice for Deno alone: the same as `@sluice/websocket`, with the adapter over `Deno.listen` imported
 * statically, for bundlers and for programs that run on Deno only. TLS is `node:tls` over the same sockets,
 * since those of `Deno.listenTls` can't be closed while their peer does not read.
 *
 * @example
 * ```ts
 * import { serve } from "@sluice/websocket/deno";
 *
 * await serve({ port: 8080, message: (conn, data) => conn.send(data) });
 * ```
 *
 * @module
 */

import { createServe, type Serve } from "../../server/serve.ts";
import { listen } from "./listen.ts";

export * from "../../server/mod.ts";

/** Starts a server on Deno. See {@linkcode Serve}. */
export const serve: Serve = createServe(listen);
