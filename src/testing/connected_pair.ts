import type { ConnectOptions } from "../client/options.ts";
import { parseWebSocketUrl } from "../client/url.ts";
import { checkFunction, checkNames, checkOptions, type Names } from "../checks.ts";
import type { Clock } from "../transport/clock.ts";
import type { ClientCallbacks, ClientConnection } from "../client/client_connection.ts";
import type { Connection } from "../connection/connection.ts";
import type { CallbackResult } from "../hooks.ts";
import {
  type AcceptedData,
  type AnyAcceptance,
  type Handler,
  SERVE_OPTIONS,
  type ServeOptions,
  type UpgradeAcceptance,
} from "../server/options.ts";
import type { ServerCallbacks, ServerConnection } from "../server/server_connection.ts";
import type { ServerEvent } from "../server/stats.ts";
import type { Link } from "./link.ts";
import { MemoryNetwork, NETWORK_OPTIONS } from "./memory_network.ts";

/** Options of {@linkcode connectedPair}. */
export interface PairOptions<Data = undefined, Acceptance = UpgradeAcceptance<Data>> {
  /**
   * The server's options and callbacks, as the program passes them to `serve`. The address to listen on is
   * ignored.
   */
  server?: ServeOptions<Data, Acceptance> & ServerCallbacks<Data> | undefined;
  /** The server's handler. Default, without callbacks: the test uses the server's end itself. */
  handler?: Handler<Data> | undefined;
  /** The client's options, as a program passes them to `connect`. */
  client?: ConnectOptions<unknown> & ClientCallbacks | undefined;
  /**
   * The URL that the client connects to. Any host is the server's. `wss:` is not encrypted.
   *
   * @default {"ws://server.example/"}
   */
  url?: string | URL | undefined;
  /** The clock of both ends and of the network. Default: real time. */
  clock?: Clock | undefined;
  /** Called with the link before its first byte, for faults in the opening handshake: see `MemoryNetworkOptions`. */
  onLink?: ((link: Link) => CallbackResult) | undefined;
}

const OPTIONS: Names<PairOptions> = {
  ...NETWORK_OPTIONS,
  server: true,
  handler: true,
  client: true,
  url: true,
};

/** Both ends of a connection in memory. */
export interface ConnectedPair<Data = undefined> {
  /** The server's end. */
  readonly server: ServerConnection<Data>;
  /** The client's end. */
  readonly client: ClientConnection;
  /** The link between them, for faults. */
  readonly link: Link;
}

/**
 * Connects a client to a server in memory, by a real opening handshake: the program's own hooks, handlers,
 * callbacks and limits apply, as on a network.
 *
 * To release a pair, close one of its ends.
 *
 * @example Callbacks, and the hook that decides at the upgrade
 * ```ts
 * import { connectedPair, receiveMessage } from "@sluice/websocket/testing";
 *
 * const { server, client } = await connectedPair({
 *   url: "ws://server.example/?name=Ada",
 *   server: {
 *     upgrade: (request) => ({ data: new URL(request.url).searchParams.get("name") }),
 *     message: (conn, text) => conn.send(`${conn.data} says ${text}`),
 *   },
 * });
 * console.log(server.data); // "Ada"
 * await client.send("Hello");
 * console.log(await receiveMessage(client)); // "Ada says Hello"
 * await client.close();
 * ```
 *
 * @typeParam Data The data that the `upgrade` hook attaches to the server's end.
 * @typeParam Acceptance The type that the hook accepts with, from which TypeScript infers `Data`.
 * @throws {UnexpectedResponseError} If the server refuses the upgrade; it has the status.
 * @throws {ConnectError} If the link is lost before the connection is open.
 * @throws {RangeError} If a number among the options is out of its range.
 * @throws {TypeError} If an option is unknown or of another type, or contradicts another.
 */
export async function connectedPair<
  Data = undefined,
  Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>,
>(
  options: PairOptions<AcceptedData<Data, Acceptance>, Acceptance> = {},
): Promise<ConnectedPair<AcceptedData<Data, Acceptance>>> {
  checkOptions("connectedPair", options as object, OPTIONS);
  const { url = "ws://server.example/", server: given = {}, client, clock, onLink } = options;
  // Checked here, as `serve()` gets other values in their place.
  checkNames("server", given, SERVE_OPTIONS);
  checkFunction("onEvent", given.onEvent);
  checkFunction("onLink", onLink);
  checkFunction("handler", options.handler);
  type ServerEnd = ServerConnection<AcceptedData<Data, Acceptance>>;
  const { promise, resolve } = Promise.withResolvers<ServerEnd>();
  const network = new MemoryNetwork({ clock, onLink: onLink?.bind(options) });
  const { port, secure } = parseWebSocketUrl(url);
  const server = {
    ...given,
    port,
    path: undefined,
    tls: secure ? { cert: "", key: "" } : undefined,
    onEvent(event: ServerEvent<AcceptedData<Data, Acceptance>>): unknown {
      if (event.type === "open") resolve(event.conn);
      return given.onEvent?.(event);
    },
  };
  const { open, message, ping, drain, close } = given;
  const handler = options.handler ??
    ((open ?? message ?? ping ?? drain ?? close) ? undefined : waitForEnd);
  await (handler === undefined ? network.serve(server) : network.serve(server, handler));
  const conn = await network.connect(url, client);
  return { server: await promise, client: conn, link: network.linkOf(conn) };
}

function waitForEnd(conn: Connection<unknown>): Promise<unknown> {
  return conn.closed;
}
