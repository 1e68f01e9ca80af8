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
  /** What the connections and their wires wait by. Default: the real time. */
  clock?: Clock | undefined;
  /**
   * Is given the link of every new connection before its first byte, to cut or to lose it. A promise is
   * awaited before the client sends anything. Where it throws or rejects, connecting does so too.
   */
  onLink?: ((link: Link) => CallbackResult) | undefined;
}

/** Every option of {@linkcode MemoryNetworkOptions}. */
export const NETWORK_OPTIONS: Names<MemoryNetworkOptions> = { clock: true, onLink: true };

/** For documentation: nobody has these (RFC 5737). */
const SERVER = "192.0.2.1";
const CLIENT = "192.0.2.2";
/** The first port of those that a system gives to clients and to servers without one. */
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
   * Starts a server on this network, as `serve` does on a real one. Host names mean nothing here, but
   * a port is listened on once. Where there is `tls`, nothing is encrypted, but requests are `https:`.
   */
  readonly serve: Serve;
  /**
   * Connects to a server on this network, as `connect` does on a real one: to the port of the URL,
   * whatever the host.
   */
  readonly connect: Connect;
  /** Connects again and again to servers on this network, as `reconnecting` does on a real one. */
  readonly reconnecting: Reconnecting;

  /**
   * Creates a network where nobody listens.
   *
   * @throws {TypeError} Where an option is unknown or of another type.
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
   * Gives the link of an open connection, by either of its ends.
   *
   * @throws {TypeError} Where it is none of this network.
   */
  linkOf(conn: Connection): Link {
    const link = this.#links.get(conn.localAddress) ?? this.#links.get(conn.remoteAddress);
    if (link !== undefined) return link;
    throw new TypeError("Cannot give the link of this connection: it is none of this network");
  }

  // deno-lint-ignore require-await
  async #listen(target: ListenTarget, onChannel: (channel: ByteChannel) => void) {
    const port = "port" in target && target.port === 0 ? ++this.#lastPort : undefined;
    const key = port ?? keyOf(target);
    if (this.#listeners.has(key)) {
      throw new ListenError("EADDRINUSE", `Cannot listen on ${key}: somebody listens there`);
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
      throw new ConnectError("ECONNREFUSED", `Cannot connect to ${key}: nobody listens there`);
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

/** The address of a server. */
function addressOf(key: number | string): Address {
  if (typeof key === "string") return { transport: "unix", path: key };
  return { transport: "tcp", hostname: SERVER, port: key };
}
