import { type Connect, createConnect } from "../client/connect.ts";
import { createReconnecting, type Reconnecting } from "../client/reconnecting.ts";
import type {
  Address,
  ByteChannel,
  ByteChannelHandler,
  Dialer,
  DialTarget,
  Listen,
  ListenTarget,
} from "../transport/byte_channel.ts";
import { type Clock, CLOCK_METHODS, systemClock } from "../transport/clock.ts";
import { checkFunction, checkMethods, checkOptions, type Names } from "../checks.ts";
import type { Connection } from "../connection/connection.ts";
import { ConnectError, ListenError } from "../errors.ts";
import { type CallbackResult, isThenable } from "../hooks.ts";
import { createServe, type Serve } from "../server/serve.ts";
import type { Link } from "./link.ts";
import { MemoryLink } from "./memory_link.ts";

/** Options of a {@linkcode MemoryNetwork}. */
export interface MemoryNetworkOptions {
  /** The clock of the connections and of their wires. Default: real time. */
  clock?: Clock | undefined;
  /**
   * Called with the link of every new connection before its first byte, for faults. A promise is awaited
   * before the client sends anything. If it throws or rejects, `connect` rejects with that.
   */
  onLink?: ((link: Link) => CallbackResult) | undefined;
}

export const NETWORK_OPTIONS: Names<MemoryNetworkOptions> = { clock: true, onLink: true };

// Addresses that are reserved for documentation (RFC 5737).
const SERVER = "192.0.2.1";
const CLIENT = "192.0.2.2";
/** The first dynamic port (RFC 6335, section 6): for clients, and for servers that listen on port 0. */
const FIRST_FREE_PORT = 49_152;

/**
 * A network in memory: servers that listen on it, and clients that connect to them, in one process and
 * without a socket.
 *
 * @example A room with two visitors
 * ```ts
 * import type { Connection } from "@sluice/websocket";
 * import { MemoryNetwork, receiveMessage } from "@sluice/websocket/testing";
 *
 * const room = new Set<Connection>();
 * const network = new MemoryNetwork();
 * await network.serve({
 *   port: 80,
 *   open: (conn) => room.add(conn),
 *   message: (_, data) => room.forEach((visitor) => visitor.send(data)),
 *   close: (conn) => room.delete(conn),
 * });
 *
 * const ada = await network.connect("ws://room.example/");
 * const ben = await network.connect("ws://room.example/");
 * await ada.send("Hello");
 * console.log(await receiveMessage(ben)); // "Hello"
 * await Promise.all([ada.close(), ben.close()]);
 * ```
 */
export class MemoryNetwork {
  readonly #clock: Clock;
  readonly #onLink: MemoryNetworkOptions["onLink"];
  readonly #listeners = new Map<number | string, (channel: ByteChannel) => void>();
  /** The links by the client's address, which both ends have. */
  readonly #links = new WeakMap<Address, Link>();
  #lastPort = FIRST_FREE_PORT;

  /**
   * Starts a server on this network, as `serve` does on a real one. Host names are ignored, so only one
   * server can listen on a port. With `tls`, requests have `https:` URLs, but bytes are not encrypted.
   */
  readonly serve: Serve;
  /**
   * Connects to a server on this network, as `connect` does on a real one: to the port of the URL; the host
   * is ignored.
   */
  readonly connect: Connect;
  /** Connects to a server on this network and reconnects, as `reconnecting` does on a real one. */
  readonly reconnecting: Reconnecting;

  /**
   * Creates a network without servers.
   *
   * @throws {TypeError} If an option is unknown or of another type.
   */
  constructor(options: MemoryNetworkOptions = {}) {
    checkOptions("MemoryNetwork", options, NETWORK_OPTIONS);
    if (options.clock !== undefined) checkMethods("clock", options.clock, CLOCK_METHODS);
    checkFunction("onLink", options.onLink);
    this.#clock = options.clock ?? systemClock;
    this.#onLink = options.onLink?.bind(options);
    const listen: Listen = (target, _tls, onChannel) => this.#listen(target, onChannel);
    const dialer: Dialer = {
      dial: (target, handler) => this.#dial(target, handler),
      startTls: (channel, _hostname, _tls, handler) => {
        channel.handler = handler;
        return Promise.resolve(channel);
      },
    };
    this.serve = createServe(listen, this.#clock);
    const connect = createConnect(() => Promise.resolve(dialer), this.#clock);
    this.connect = connect;
    this.reconnecting = createReconnecting(connect, this.#clock);
  }

  /**
   * Returns the link of an open connection, given either of its ends.
   *
   * @throws {TypeError} If the connection is not one of this network.
   */
  linkOf(conn: Connection): Link {
    const link = this.#links.get(conn.localAddress) ?? this.#links.get(conn.remoteAddress);
    if (link !== undefined) return link;
    throw new TypeError("conn must be a connection of this network");
  }

  // deno-lint-ignore require-await
  async #listen(target: ListenTarget, onChannel: (channel: ByteChannel) => void) {
    const port = "port" in target && target.port === 0 ? ++this.#lastPort : undefined;
    const key = port ?? keyOf(target);
    if (this.#listeners.has(key)) {
      throw new ListenError("EADDRINUSE", `Cannot listen on ${key}: address already in use`);
    }
    this.#listeners.set(key, onChannel);
    const close = () => {
      this.#listeners.delete(key);
      return Promise.resolve();
    };
    return { addr: addressOf(key), ref() {}, unref() {}, close };
  }

  async #dial(target: DialTarget, handler: ByteChannelHandler): Promise<ByteChannel> {
    const key = keyOf(target);
    const accept = this.#listeners.get(key);
    if (accept === undefined) {
      throw new ConnectError("ECONNREFUSED", `Cannot connect to ${key}: connection refused`);
    }
    const address: Address = typeof key === "string"
      ? { transport: "unix", path: "" }
      : { transport: "tcp", hostname: CLIENT, port: ++this.#lastPort };
    const link = new MemoryLink(this.#clock, addressOf(key), address);
    this.#links.set(address, link);
    link.client.handler = handler;
    const used: unknown = this.#onLink?.(link);
    accept(link.server);
    try {
      if (isThenable(used)) await used;
    } catch (error) {
      link.reset();
      throw error;
    }
    return link.client;
  }
}

function keyOf(target: ListenTarget | DialTarget): number | string {
  return "path" in target ? target.path : target.port;
}

function addressOf(key: number | string): Address {
  if (typeof key === "string") return { transport: "unix", path: key };
  return { transport: "tcp", hostname: SERVER, port: key };
}
