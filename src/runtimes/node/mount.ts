/**
 * WebSockets on an existing HTTP server of `node:http` or `node:https`, also with a framework that uses one,
 * such as Express, Fastify or Hono. It runs on Node, and on Deno and Bun with their modules of these names;
 * the tests are the same for all three. One difference: if a client pipelines an upgrade behind a request that
 * is not answered yet, Bun treats it as plain HTTP.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { mount } from "@sluice/websocket/node-http";
 *
 * const echo = await mount({ message: (conn, data) => conn.send(data) });
 *
 * const server = createServer((_request, response) => response.end("Plain HTTP, as ever.\n"));
 * echo.attach(server, { path: "/echo" });
 * server.listen(8080);
 *
 * // Later: the HTTP server waits for the WebSockets, which `shutdown` closes.
 * server.close();
 * await echo.shutdown();
 * ```
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectionHost } from "../../server/connection_host.ts";
import { resolveServerOptions } from "../../server/resolve_options.ts";
import { defaultServerSettings } from "../../server/settings.ts";
import {
  type AcceptedData,
  type AnyAcceptance,
  type Handler,
  type HostOptions,
  SERVER_OPTIONS,
  type UpgradeAcceptance,
} from "../../server/options.ts";
import { HandshakeError } from "../../errors.ts";
import { checkRequestParts } from "../../http1/request_parts.ts";
import { statusText } from "../../http1/status_text.ts";
import type { OpeningHandshake } from "../../server/opening_handshake.ts";
import { loadParts } from "../../server/load_parts.ts";
import type { ServerCallbacks } from "../../server/server_connection.ts";
import { ServerBase } from "../../server/server_base.ts";
import { afterArrivals } from "../shared/event_loop.ts";
import { afterResponses, NodeHttpChannel } from "./http_channel.ts";
import { type AttachOptions, attachTo, type UpgradeServer } from "./attach.ts";
import { isUint8Array } from "../../values.ts";

export * from "../../server/mod.ts";
export type { AttachOptions, UpgradeListener, UpgradeServer } from "./attach.ts";

/** The options of `serve` for which the HTTP server has its own. */
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
 * Options of {@linkcode mount}: those of `serve`, without those of the HTTP server, which listens, parses
 * request heads, and serves plain HTTP. `handshakeTimeoutMs` begins with the event `"upgrade"`.
 *
 * @typeParam Data The type of `conn.data`, which the `upgrade` hook sets.
 */
export interface MountOptions<Data = unknown, Acceptance = UpgradeAcceptance<Data>> extends
  Omit<
    HostOptions<Data, Acceptance>,
    "fetch" | "maxHeadSize" | "maxHeadLineSize" | "maxRequestBodySize"
  > {
}

const MOUNT_OPTIONS = Object.fromEntries(
  Object.entries(SERVER_OPTIONS).filter(([name]) => !(REFUSED as readonly string[]).includes(name)),
);

/**
 * A WebSocket server that does not listen itself. An HTTP server hands upgrades to it.
 *
 * @typeParam Data The type of `conn.data`, which the `upgrade` hook sets.
 */
export interface MountedServer<Data = unknown> extends ConnectionHost<Data> {
  /**
   * Takes the upgrades of an HTTP server that match its paths, before or after the server begins to listen.
   * It handles them as `serve` does: with the same checks, limits and hooks. Upgrades with other paths are left
   * to the server's other listeners for upgrades, such as the hot reload of a development server; if there are
   * none, they are refused with 404. See {@linkcode AttachOptions}.
   *
   * Several mounted servers may be attached to one HTTP server, and one to several. If two have the same path,
   * the one that was attached first takes it.
   *
   * The HTTP server does not control open WebSockets: its timeouts and `closeAllConnections()` do not apply to
   * them. The callback of its `close()` waits for them to close, as {@linkcode ConnectionHost.shutdown} makes
   * them. After `shutdown`, the mounted server stays attached, and responds with 503 until it is detached. If
   * another one is attached with the same path, that takes over at once, unless `keepListening` was set.
   *
   * A pipelined request waits until earlier ones on its connection have been answered. A request with a body is
   * refused, and so is every other request that `serve` would refuse and the HTTP server did not.
   *
   * A request to upgrade to another protocol, such as `h2c`, is left to other listeners for upgrades. If there
   * are none, or with `others: "refuse"`, the HTTP server handles it as a plain request (RFC 9110, section
   * 7.8): for that, its `shouldUpgradeCallback` is replaced while anything is attached, and called for all
   * other upgrades. Node before 22.21 does not have it, and such a request is refused with 501.
   *
   * @example Two mounted servers on one HTTP server, one of which is detached later
   * ```ts
   * import { createServer } from "node:http";
   * import { mount } from "@sluice/websocket/node-http";
   *
   * const chat = await mount({ message: (conn, data) => conn.send(data) });
   * const news = await mount({ open: (conn) => conn.subscribe("news") });
   *
   * const server = createServer((_request, response) => response.end("Plain HTTP\n"));
   * chat.attach(server, { path: ["/chat", "/rooms/*"] });
   * const detachNews = news.attach(server, { path: "/news" });
   * server.listen(8080);
   *
   * // Later: upgrades of "/news" are refused with 404. Its connections stay open.
   * detachNews();
   * ```
   *
   * @param server A server of `node:http` or `node:https`; with a framework, the one that the framework uses.
   * @param options The upgrades to take; see {@linkcode AttachOptions}.
   * @returns A function that detaches it. Open connections stay open. Further calls have no effect.
   * @throws {TypeError} If `server` is not such a server, an option is unknown or of another type, or a path
   * does not begin with a slash.
   */
  attach(this: void, server: UpgradeServer, options: AttachOptions): () => void;
  /**
   * Handles an event `"upgrade"` of a server of `node:http` or `node:https`, for a program that routes upgrades
   * itself. It does the same as {@linkcode MountedServer.attach} for an upgrade with a matching path.
   *
   * Call it in the event's listener, not later: until then, the socket has no listener for errors. For the same
   * reason, call {@linkcode MountedServer.refuseUpgrade} for an upgrade that no server takes.
   *
   * @example
   * ```ts
   * import { createServer } from "node:http";
   * import { mount } from "@sluice/websocket/node-http";
   *
   * const chat = await mount({ message: (conn, data) => conn.send(data) });
   *
   * createServer().on("upgrade", (request, socket, head) => {
   *   if (request.headers.host === "chat.example.com") chat.handleUpgrade(request, socket, head);
   *   else chat.refuseUpgrade(request, socket, head);
   * }).listen(8080);
   * ```
   *
   * @param request The request of the event.
   * @param socket The socket of the event. It tells whether the request came over TLS.
   * @param head The bytes that the client has sent behind the request.
   * @throws {TypeError} If the arguments are not those of the event.
   * @throws {DOMException} `InvalidStateError`, if the socket has been taken over already.
   */
  handleUpgrade(this: void, request: IncomingMessage, socket: Duplex, head: Uint8Array): void;
  /**
   * Refuses the upgrade of an event `"upgrade"` of `node:http` or `node:https`: sends one response, and closes
   * the connection within `closeTimeoutMs`. A program that writes to the socket itself, or destroys it, must add
   * a listener for errors first: without one, a client that resets its connection then ends the process. The
   * upgrade counts as refused in {@linkcode ConnectionHost.stats}.
   *
   * @param request The request of the event.
   * @param socket The socket of the event.
   * @param head The bytes that the client has sent behind the request. They are discarded.
   * @param status The HTTP status of the response: an integer from 400 to 599. Default: 404.
   * @throws {RangeError} If the status is out of range.
   * @throws {TypeError} If the other arguments are not those of the event.
   * @throws {DOMException} `InvalidStateError`, if the socket has been taken over already.
   */
  refuseUpgrade(
    this: void,
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    status?: number,
  ): void;
}

/**
 * Creates a WebSocket server for an existing HTTP server, with a handler for each connection.
 *
 * @example With a handler, and an `upgrade` hook that authenticates the client
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
 * const server = createServer();
 * chat.attach(server, { path: "/chat" });
 * server.listen(8080);
 * ```
 *
 * @typeParam Data The type of `conn.data`, which the `upgrade` hook sets.
 * @typeParam Acceptance The type that the hook returns, from which TypeScript infers `Data`.
 * @param options See {@linkcode MountOptions}; without the callbacks.
 * @param handler Handles one connection.
 * @throws {RangeError} If a number among the options is out of range.
 * @throws {TypeError} If an option is unknown or of another type, or is one of the HTTP server.
 */
export function mount<
  Data = undefined,
  Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>,
>(
  options: MountOptions<AcceptedData<Data, Acceptance>, Acceptance>,
  handler: Handler<AcceptedData<Data, Acceptance>>,
): Promise<MountedServer<AcceptedData<Data, Acceptance>>>;
/**
 * Creates a WebSocket server for an existing HTTP server, with callbacks.
 *
 * @typeParam Data The type of `conn.data`, which the `upgrade` hook sets.
 * @typeParam Acceptance The type that the hook returns, from which TypeScript infers `Data`.
 * @param options See {@linkcode MountOptions} and {@linkcode ServerCallbacks}.
 * @throws As above.
 */
export function mount<
  Data = undefined,
  Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>,
>(
  options:
    & MountOptions<AcceptedData<Data, Acceptance>, Acceptance>
    & ServerCallbacks<AcceptedData<Data, Acceptance>>,
): Promise<MountedServer<AcceptedData<Data, Acceptance>>>;
export function mount<Data>(
  options: MountOptions<Data> & ServerCallbacks<Data>,
  handler?: Handler<Data>,
): Promise<MountedServer<Data>> {
  return MountedHost.create(options, handler);
}

const REFUSAL = "Cannot accept the upgrade";

/** The sockets that have been taken over. */
const taken: WeakSet<Duplex> = new WeakSet();

class MountedHost<Data> extends ServerBase<Data> implements MountedServer<Data> {
  readonly attach = (server: UpgradeServer, options: AttachOptions): () => void =>
    attachTo(server, options, {
      // A listener of the program may have taken it before.
      handleUpgrade: (...given) => void (taken.has(given[1]) || this.handleUpgrade(...given)),
      refuseUpgrade: (...given) => void (taken.has(given[1]) || this.#refuse(...given)),
      givesWay: () => this.hasStoppedListening,
    });

  readonly handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void =>
    this.#take(request, socket, head, (handshake) => {
      const { method = "", url: target = "", httpVersion: version } = request;
      const fields = toPairs(request.rawHeaders);
      const { maxFields } = handshake.settings.headLimits;
      let checked;
      try {
        checked = checkRequestParts({ method, target, version, fields }, maxFields);
      } catch (error) {
        return handshake.refuse(error);
      }
      handshake.receiveRequest(checked, head);
    });

  readonly refuseUpgrade = (
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    status: number = 404,
  ): void => {
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`status must be an integer from 400 to 599, got ${String(status)}`);
    }
    const reason = `${REFUSAL}: ${status} ${statusText(status)}`;
    this.#refuse(request, socket, head, new HandshakeError(status, reason.trimEnd()));
  };

  static async create<Data>(
    options: MountOptions<Data> & ServerCallbacks<Data>,
    handler: Handler<Data> | undefined,
  ): Promise<MountedHost<Data>> {
    for (const name of REFUSED) {
      if ((options as Record<string, unknown> | null)?.[name] === undefined) continue;
      throw new TypeError(`mount takes no option ${name}: set it on the HTTP server`);
    }
    const settings = resolveServerOptions(
      "mount",
      MOUNT_OPTIONS,
      options,
      handler,
      defaultServerSettings<Data>(),
    );
    settings.signal?.throwIfAborted();
    const parts = await loadParts(settings.accept, settings.resume !== undefined);
    const host = new MountedHost(settings, parts);
    await host.start();
    host.watchSignal();
    return host;
  }

  protected override stop(): Promise<void> {
    return Promise.resolve();
  }

  protected override afterArrivals(callback: () => void): void {
    // Deno delivers what has arrived at several sockets in one turn.
    if ("Deno" in globalThis) super.afterArrivals(callback);
    else afterArrivals(callback);
  }

  #refuse(
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    error: HandshakeError = new HandshakeError(404, `${REFUSAL}: 404 Not Found`),
  ): void {
    this.#take(request, socket, head, (handshake) => handshake.refuse(error));
  }

  #take(
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    begin: (handshake: OpeningHandshake<Data>) => void,
  ): void {
    const isStream = typeof socket?.pause === "function";
    if (!Array.isArray(request?.rawHeaders) || !isStream || !isUint8Array(head)) {
      const expected = 'pass the request, the socket and the head of the event "upgrade"';
      throw new TypeError(`Cannot handle the upgrade: ${expected}`);
    }
    if (taken.has(socket)) {
      const reason = "Cannot handle the upgrade: its socket has been taken over already";
      throw new DOMException(reason, "InvalidStateError");
    }
    taken.add(socket);
    // Node has removed its own listener. An error may be emitted even after the socket has been closed.
    socket.on("error", () => {});
    afterResponses(socket, () => {
      const channel = new NodeHttpChannel(socket);
      const handshake = this.startHandshake(channel, channel.isSecure);
      if (handshake !== undefined) begin(handshake);
    });
  }
}

function toPairs(rawHeaders: readonly string[]): [name: string, value: string][] {
  const pairs: [name: string, value: string][] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) pairs.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  return pairs;
}
