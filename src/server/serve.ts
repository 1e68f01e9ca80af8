import type { Listen } from "../connection/byte_channel.ts";
import type { Clock } from "../connection/clock.ts";
import type { ConnectionCallbacks } from "../connection/connection.ts";
import type { Handler, ServeOptions } from "./options.ts";
import { type Server, WebSocketServer } from "./server.ts";

/**
 * Starts a server. It resolves when the server listens.
 *
 * @example A handler for each connection
 * ```ts
 * import { serve } from "@sluice/websocket";
 *
 * const server = await serve({ port: 8080 }, async (conn) => {
 *   for await (const message of conn) await conn.send(message);
 * });
 * console.log(server.addr); // { transport: "tcp", hostname: "0.0.0.0", port: 8080 }
 * ```
 *
 * @example Callbacks: the fast path
 * ```ts
 * import { serve } from "@sluice/websocket";
 *
 * await serve({ port: 8080, message: (conn, data) => conn.send(data) });
 * ```
 */
export interface Serve {
  /**
   * Starts a server that gives each connection to a handler.
   *
   * @typeParam Data What the `upgrade` hook attaches to connections.
   * @param options See {@linkcode ServeOptions}; without the callbacks.
   * @param handler Handles one connection.
   * @throws {ListenError} Where the address is taken, not available or not permitted, or the
   * certificate or its key can't be used.
   * @throws {RangeError} Where a number among the options is out of its range.
   * @throws {TypeError} Where an option is unknown or of another type, or contradicts another.
   */
  <Data = undefined>(options: ServeOptions<Data>, handler: Handler<Data>): Promise<Server<Data>>;
  /**
   * Starts a server whose connections call callbacks.
   *
   * @typeParam Data What the `upgrade` hook attaches to connections.
   * @param options See {@linkcode ServeOptions} and {@linkcode ConnectionCallbacks}.
   * @throws As above.
   */
  <Data = undefined>(
    options: ServeOptions<Data> & ConnectionCallbacks<Data>,
  ): Promise<Server<Data>>;
}

/** Makes the `serve` of a runtime out of its way to listen. */
export function createServe(listen: Listen, clock?: Clock): Serve {
  return <Data>(
    options: ServeOptions<Data> & ConnectionCallbacks<Data>,
    handler?: Handler<Data>,
  ): Promise<Server<Data>> => WebSocketServer.listen(listen, options, handler, clock);
}
