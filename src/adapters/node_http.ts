/**
 * WebSockets on an HTTP server that exists: one of `node:http` or `node:https`, with the framework
 * that stands on it, such as Express, Fastify or Hono. On Node, and on Deno and Bun by what they have
 * under these names: the tests of all this run on the three alike. What differs:
 *
 * - Bun takes an upgrade behind a request that is not answered yet for plain HTTP.
 * - Deno takes a reset of a TLS connection for its end: the `signal` of the `upgrade` hook does not
 *   abort then.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { mount } from "@sluice/websocket/node-http";
 *
 * const echo = await mount({ message: (conn, data) => conn.send(data) });
 *
 * const server = createServer((_request, response) => response.end("Plain HTTP, as ever.\n"));
 * server.on("upgrade", (request, socket, head) => {
 *   if (request.url === "/echo") echo.handleUpgrade(request, socket, head);
 *   else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
 * });
 * server.listen(8080);
 *
 * // Later: the HTTP server waits for the WebSockets, which end here.
 * server.close();
 * await echo.shutdown();
 * ```
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectionCallbacks } from "../connection/connection.ts";
import type { ConnectionHost } from "../server/connection_host.ts";
import { resolveHostOptions } from "../server/host_settings.ts";
import type { Handler, HostOptions } from "../server/options.ts";
import { loadCompression, WebSocketHost } from "../server/web_socket_host.ts";
import { afterArrivals } from "./after_arrivals.ts";
import { NodeHttpChannel, whenUnanswered } from "./node_http_channel.ts";
import { isUint8Array } from "../values.ts";

export * from "../server/mod.ts";

/** The options that are up to the HTTP server. */
const REFUSED = [
  "port",
  "hostname",
  "path",
  "tls",
  "fetch",
  "maxHeadSize",
  "maxHeadLineSize",
  "maxRequestBodySize",
] as const;

/**
 * Options of {@linkcode mount}: those of `serve`, but for what is up to the HTTP server, which listens,
 * parses request heads, and answers plain HTTP. `handshakeTimeoutMs` counts from
 * {@linkcode MountedServer.handleUpgrade} on.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface MountOptions<Data = unknown> extends
  Omit<
    HostOptions<Data>,
    "fetch" | "maxHeadSize" | "maxHeadLineSize" | "maxRequestBodySize"
  > {
}

/**
 * A WebSocket server without a socket to listen on: what is to be a WebSocket is given to it.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface MountedServer<Data = unknown> extends ConnectionHost<Data> {
  /**
   * Takes over what a server of `node:http` or `node:https` gives with its event `"upgrade"`, and
   * answers it as `serve` does: as strictly, with the same refusals, limits and hooks. To be called in
   * the listener itself, not later: nobody else listens for errors of the socket. It needs no `this`.
   *
   * From here on the socket is no concern of the HTTP server. Its timeouts, and its
   * `closeAllConnections()`, leave open WebSockets alone; the callback of its `close()` waits for them
   * to end, as {@linkcode ConnectionHost.shutdown} has them do.
   *
   * A request that comes behind another one on its connection waits until that has been answered.
   * What the HTTP server did not check of the request is checked here; one that has a body is refused.
   *
   * @param request The request; `request.url` tells which of several mounted servers is to have it.
   * @param socket The socket of the request. Whether the request came over TLS is asked of it.
   * @param head What the client has sent behind the request.
   * @throws {TypeError} Where these are not what the event gives.
   * @throws {DOMException} `InvalidStateError`, where the socket has been taken over already.
   */
  handleUpgrade(this: void, request: IncomingMessage, socket: Duplex, head: Uint8Array): void;
}

/**
 * Creates a WebSocket server for an HTTP server that exists, which gives its connections to a handler.
 *
 * @example With a handler, and a decision at the upgrade
 * ```ts
 * import { createServer } from "node:http";
 * import { mount } from "@sluice/websocket/node-http";
 *
 * const chat = await mount({
 *   upgrade(request) {
 *     const name = new URL(request.url).searchParams.get("name");
 *     return name ? { data: { name } } : new Response("Who are you?", { status: 401 });
 *   },
 * }, async (conn) => {
 *   for await (const message of conn) await conn.send(`${conn.data.name}: ${message}`);
 * });
 *
 * createServer().on("upgrade", chat.handleUpgrade).listen(8080);
 * ```
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 * @param options See {@linkcode MountOptions}; without the callbacks.
 * @param handler Handles one connection.
 * @throws {RangeError} Where a number among the options is out of its range.
 * @throws {TypeError} Where an option is of another type, or up to the HTTP server.
 */
export function mount<Data = undefined>(
  options: MountOptions<Data>,
  handler: Handler<Data>,
): Promise<MountedServer<Data>>;
/**
 * Creates a WebSocket server for an HTTP server that exists, whose connections call callbacks.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 * @param options See {@linkcode MountOptions} and {@linkcode ConnectionCallbacks}.
 * @throws As above.
 */
export function mount<Data = undefined>(
  options: MountOptions<Data> & ConnectionCallbacks<Data>,
): Promise<MountedServer<Data>>;
export function mount<Data>(
  options: MountOptions<Data> & ConnectionCallbacks<Data>,
  handler?: Handler<Data>,
): Promise<MountedServer<Data>> {
  return MountedHost.create(options, handler);
}

/** The sockets that were taken over. */
const taken: WeakSet<Duplex> = new WeakSet();

/** The implementation of {@linkcode MountedServer}. */
class MountedHost<Data> extends WebSocketHost<Data> implements MountedServer<Data> {
  readonly handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    if (
      !Array.isArray(request?.rawHeaders) || typeof socket?.pause !== "function" ||
      !isUint8Array(head)
    ) {
      throw new TypeError(
        'Cannot handle the upgrade: give the request, the socket and the head of the event "upgrade"',
      );
    }
    if (taken.has(socket)) {
      throw new DOMException(
        "Cannot handle the upgrade: its socket has been taken over already",
        "InvalidStateError",
      );
    }
    taken.add(socket);
    whenUnanswered(socket, () => this.#begin(request, socket, head));
  };

  /** Checks the options, and creates a host. */
  static async create<Data>(
    options: MountOptions<Data> & ConnectionCallbacks<Data>,
    handler: Handler<Data> | undefined,
  ): Promise<MountedHost<Data>> {
    const settings = resolveHostOptions(options, handler);
    for (const name of REFUSED) {
      if ((options as Record<string, unknown>)[name] === undefined) continue;
      throw new TypeError(`Cannot use the option ${name} of mount: it is up to the HTTP server`);
    }
    settings.signal?.throwIfAborted();
    const host = new MountedHost(settings, await loadCompression(settings));
    // Deno delivers what has arrived at several sockets in one turn.
    if (!("Deno" in globalThis)) host.topics.schedule = afterArrivals;
    await host.startBroker();
    host.shutDownOn(settings.signal);
    return host;
  }

  protected override stop(): Promise<void> {
    return Promise.resolve();
  }

  #begin(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    const channel = NodeHttpChannel.takeOver(socket);
    const { method = "", url: target = "", httpVersion: version } = request;
    const fields = toPairs(request.rawHeaders);
    this.startHandshake(channel, channel.isSecure)
      ?.receiveRequest({ method, target, version, fields }, head);
  }
}

function toPairs(rawHeaders: readonly string[]): [name: string, value: string][] {
  const pairs: [name: string, value: string][] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) pairs.push([rawHeaders[i], rawHeaders[i + 1]]);
  return pairs;
}
