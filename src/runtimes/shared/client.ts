/**
 * A WebSocket client for Deno, Bun and Node: the same connection as the server's, with backpressure,
 * streams, and pings that tell the round-trip time.
 *
 * @example
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { connect } from "@sluice/websocket/client";
 *
 * const server = await serve({ port: 0, message: (conn, data) => conn.send(data) });
 *
 * const conn = await connect(server.url);
 * console.log(await conn.ping()); // the round-trip time, in milliseconds
 * await conn.close();
 * await server.shutdown();
 * ```
 *
 * @module
 */

import { type Connect, createConnect } from "../../client/connect.ts";
import { createReconnecting, type Reconnecting } from "../../client/reconnecting.ts";
import { loadDialer } from "./runtime.ts";

export * from "../../client/mod.ts";

const connectAgain = createConnect(loadDialer);
/** Without the third argument. */
const connectOnce: Connect = (url, options) => connectAgain(url, options);

/** Connects to a WebSocket on the runtime that the program runs on. See {@linkcode Connect}. */
export const connect: Connect = connectOnce;

/** Connects, and connects again each time the connection ends. See {@linkcode Reconnecting}. */
export const reconnecting: Reconnecting = createReconnecting(connectAgain);
