import type { Listen } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import type {
  AcceptedData,
  AnyAcceptance,
  Handler,
  ServeOptions,
  UpgradeAcceptance,
} from "./options.ts";
import type { ServerCallbacks } from "./server_connection.ts";
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
 * console.log(server.url); // "ws://127.0.0.1:8080/"
 * ```
 *
 * @example Callbacks: the fast path
 * ```ts
 * import { serve } from "@sluice/websocket";
 *
 * await serve({ port: 8080, message: (conn, data) => conn.send(data) });
 * ```
 *
 * In TypeScript, a hook whose answer counts (`upgrade`, `fetch`, `origin`, `presence.notice`, `resume.topics`)
 * may mention the server only if its return type is written: `fetch: (): Response => new Response(server.url)`.
 * Otherwise TypeScript reports TS7022 and TS7023, since the type of the server depends on the hook. It is
 * enough, too, to say `const server: Server = await serve(...)`. Callbacks and handlers may mention it freely.
 */
export interface Serve {
  /**
   * Starts a server that gives each connection to a handler.
   *
   * @typeParam Data What the `upgrade` hook attaches to connections.
   * @typeParam Acceptance What the hook accepts with; by it TypeScript finds `Data`.
   * @param options See {@linkcode ServeOptions}; without the callbacks.
   * @param handler Handles one connection.
   * @throws {ListenError} If the address is taken, not available or not permitted, or the
   * certificate or its key can't be used.
   * @throws {RangeError} If a number among the options is out of its range.
   * @throws {TypeError} If an option is unknown or of another type, or contradicts another.
   */
  <Data = undefined, Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>>(
    options: ServeOptions<AcceptedData<Data, Acceptance>, Acceptance>,
    handler: Handler<AcceptedData<Data, Acceptance>>,
  ): Promise<Server<AcceptedData<Data, Acceptance>>>;
  /**
   * Starts a server whose connections call callbacks.
   *
   * @typeParam Data What the `upgrade` hook attaches to connections.
   * @typeParam Acceptance What the hook accepts with; by it TypeScript finds `Data`.
   * @param options See {@linkcode ServeOptions} and {@linkcode ServerCallbacks}.
   * @throws As above.
   */
  <Data = undefined, Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>>(
    options:
      & ServeOptions<AcceptedData<Data, Acceptance>, Acceptance>
      & ServerCallbacks<AcceptedData<Data, Acceptance>>,
  ): Promise<Server<AcceptedData<Data, Acceptance>>>;
}

/** Makes the `serve` of a runtime out of its way to listen. */
export function createServe(listen: Listen, clock?: Clock): Serve {
  return <Data, Acceptance>(
    options: ServeOptions<Data, Acceptance> & ServerCallbacks<Data>,
    handler?: Handler<Data>,
  ): Promise<Server<Data>> =>
    WebSocketServer.listen(listen, options as ServeOptions<Data>, handler, clock);
}
