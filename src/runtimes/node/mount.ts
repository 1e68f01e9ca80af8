/**
 * WebSockets on an HTTP server that exists: one of `node:http` or `node:https`, with the framework
 * that stands on it, such as Express, Fastify or Hono. On Node, and on Deno and Bun by what they have
 * under these names: the tests of all this run on the three alike. What differs: Bun takes an upgrade
 * behind a request that is not answered yet for plain HTTP.
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
 * // Later: the HTTP server waits for the WebSockets, which end here.
 * server.close();
 * await echo.shutdown();
 * ```
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectionHost } from "../../server/connection_host.ts";
import { resolveHostOptions } from "../../server/host_settings.ts";
import {
  type AcceptedData,
  type AnyAcceptance,
  type Handler,
  HOST_OPTIONS,
  type HostOptions,
  type UpgradeAcceptance,
} from "../../server/options.ts";
import { HandshakeError } from "../../errors.ts";
import { statusText } from "../../http1/status_text.ts";
import type { OpeningHandshake } from "../../server/opening_handshake.ts";
import { loadParts } from "../../server/load_parts.ts";
import type { ServerCallbacks } from "../../server/server_connection.ts";
import { WebSocketHost } from "../../server/web_socket_host.ts";
import { afterArrivals } from "../shared/event_loop.ts";
import { afterResponses, NodeHttpChannel } from "./http_channel.ts";
import { type AttachOptions, attachTo, type UpgradeServer } from "./attach.ts";
import { isUint8Array } from "../../values.ts";

export * from "../../server/mod.ts";
export type { AttachOptions, UpgradeListener, UpgradeServer } from "./attach.ts";

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
 * parses request heads, and answers plain HTTP. `handshakeTimeoutMs` counts from the
 * event `"upgrade"` on.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface MountOptions<Data = unknown, Acceptance = UpgradeAcceptance<Data>> extends
  Omit<
    HostOptions<Data, Acceptance>,
    "fetch" | "maxHeadSize" | "maxHeadLineSize" | "maxRequestBodySize"
  > {
}

const {
  fetch: _f,
  maxHeadSize: _s,
  maxHeadLineSize: _l,
  maxRequestBodySize: _b,
  ...MOUNT_OPTIONS
} = HOST_OPTIONS;

/**
 * A WebSocket server without a socket to listen on: what is to be a WebSocket is given to it.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface MountedServer<Data = unknown> extends ConnectionHost<Data> {
  /**
   * Takes the upgrades of an HTTP server that have its paths, before or after the server has begun to listen.
   * Each is answered as `serve` does: as strictly, with the same refusals, limits and hooks. All others are
   * left to those who listen for them too, such as the hot reload of a development server; when nobody does,
   * they are refused with 404. See {@linkcode AttachOptions}.
   *
   * Any number of mounted servers may be attached to one HTTP server, and one to any number. Where two have a
   * path in common, the one that was attached first takes it.
   *
   * An open WebSocket is no concern of the HTTP server. Its timeouts, and its `closeAllConnections()`, leave
   * it alone; the callback of its `close()` waits for it to end, as {@linkcode ConnectionHost.shutdown} has
   * it do. A mounted server that is shut down, or has been, stays attached, and answers with 503 until it is
   * detached; where another is attached with the same path, that takes over at once, unless
   * `keepListening` says otherwise.
   *
   * A request that comes behind another one on its connection waits until that has been answered. What the
   * HTTP server did not check of the request is checked here; one that has a body is refused.
   *
   * A request that asks for another protocol, such as `h2c`, is left to other listeners for upgrades. Where
   * there are none, or with `others: "refuse"`, the HTTP server answers it as a plain request (RFC 9110,
   * section 7.8): its `shouldUpgradeCallback` is replaced for as long as anything is attached, and asked for
   * everything else. Node before 22.21 has none: there such a request is refused with 501.
   *
   * @example Two of them beside each other, and one that goes again
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
   * // Later: "/news" is refused with 404. Its connections stay open.
   * detachNews();
   * ```
   *
   * @param server A server of `node:http` or `node:https`; with a framework, the one it stands on.
   * @param options Which upgrades; see {@linkcode AttachOptions}.
   * @returns Detaches it again; open connections stay. Calling it again changes nothing.
   * @throws {TypeError} Where this is no such server, an option is unknown or of another type, or a path does
   * not begin with a slash.
   */
  attach(this: void, server: UpgradeServer, options: AttachOptions): () => void;
  /**
   * Takes over what a server of `node:http` or `node:https` gives with its event `"upgrade"`, for a program
   * that routes upgrades by itself. It does with it what {@linkcode MountedServer.attach} does with an upgrade
   * that has its path.
   *
   * To be called in the listener itself, not later: nobody else listens for errors of the socket. For the
   * same reason, what is for nobody is to be given to {@linkcode MountedServer.refuseUpgrade}.
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
   * @param request The request; `request.url` tells which of several mounted servers is to have it.
   * @param socket The socket of the request. Whether the request came over TLS is asked of it.
   * @param head What the client has sent behind the request.
   * @throws {TypeError} Where these are not what the event gives.
   * @throws {DOMException} `InvalidStateError`, where the socket has been taken over already.
   */
  handleUpgrade(this: void, request: IncomingMessage, socket: Duplex, head: Uint8Array): void;
  /**
   * Refuses what a server of `node:http` or `node:https` gives with its event `"upgrade"`: sends one response,
   * and closes the connection within `closeTimeoutMs`. To write to the socket oneself, or to destroy it, takes
   * more care: Node gives it away without a listener for errors, and a client that resets its connection at
   * that moment would end the process. It counts as a refusal in {@linkcode ConnectionHost.stats}.
   *
   * @param request The request.
   * @param socket The socket of the request.
   * @param head What the client has sent behind the request; it is dropped.
   * @param status The HTTP status to answer with: an integer from 400 to 599. Default: 404.
   * @throws {RangeError} Where the status is out of its range.
   * @throws {TypeError} Where the others are not what the event gives.
   * @throws {DOMException} `InvalidStateError`, where the socket has been taken over already.
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
 * const server = createServer();
 * chat.attach(server, { path: "/chat" });
 * server.listen(8080);
 * ```
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 * @typeParam Acceptance What the hook accepts with; by it TypeScript finds `Data`.
 * @param options See {@linkcode MountOptions}; without the callbacks.
 * @param handler Handles one connection.
 * @throws {RangeError} Where a number among the options is out of its range.
 * @throws {TypeError} Where an option is unknown or of another type, or up to the HTTP server.
 */
export function mount<
  Data = undefined,
  Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>,
>(
  options: MountOptions<AcceptedData<Data, Acceptance>, Acceptance>,
  handler: Handler<AcceptedData<Data, Acceptance>>,
): Promise<MountedServer<AcceptedData<Data, Acceptance>>>;
/**
 * Creates a WebSocket server for an HTTP server that exists, whose connections call callbacks.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 * @typeParam Acceptance What the hook accepts with; by it TypeScript finds `Data`.
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

/** The sockets that were taken over. */
const taken: WeakSet<Duplex> = new WeakSet();

/** The implementation of {@linkcode MountedServer}. */
class MountedHost<Data> extends WebSocketHost<Data> implements MountedServer<Data> {
  readonly attach = (server: UpgradeServer, options: AttachOptions): () => void =>
    attachTo(server, options, {
      // A listener of the program may have had it first.
      handleUpgrade: (...given) => void (taken.has(given[1]) || this.handleUpgrade(...given)),
      refuseUpgrade: (...given) => void (taken.has(given[1]) || this.#refuse(...given)),
      givesWay: () => this.hasStoppedListening,
    });

  readonly handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void =>
    this.#take(request, socket, head, (handshake) => {
      const { method = "", url: target = "", httpVersion: version } = request;
      const fields = toPairs(request.rawHeaders);
      handshake.receiveRequest({ method, target, version, fields }, head);
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

  /** Checks the options, and creates a host. */
  static async create<Data>(
    options: MountOptions<Data> & ServerCallbacks<Data>,
    handler: Handler<Data> | undefined,
  ): Promise<MountedHost<Data>> {
    for (const name of REFUSED) {
      if ((options as Record<string, unknown> | null)?.[name] === undefined) continue;
      throw new TypeError(
        `mount takes no option ${name}: set it on the HTTP server`,
      );
    }
    const settings = resolveHostOptions("mount", MOUNT_OPTIONS, options, handler);
    settings.signal?.throwIfAborted();
    const host = new MountedHost(
      settings,
      await loadParts(settings.accept, settings.resume !== undefined),
    );
    // Deno delivers what has arrived at several sockets in one turn.
    if (!("Deno" in globalThis)) host.topics.schedule = afterArrivals;
    await host.startBroker();
    host.shutDownOn(settings.signal);
    return host;
  }

  protected override stop(): Promise<void> {
    return Promise.resolve();
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
    // Nobody else listens any more. An error may still be on its way when the socket is closed already.
    socket.on("error", () => {});
    afterResponses(socket, () => {
      const channel = NodeHttpChannel.takeOver(socket);
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
