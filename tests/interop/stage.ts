/**
 * Where a scenario takes place: a Sluice server, and clients of one kind.
 *
 * @module
 */

import {
  type CompressionOptions,
  type Connection,
  type ConnectionCallbacks,
  type Handler,
  serve,
  type ServeOptions,
  type Server,
} from "../../mod.ts";
import { type Ability, Inbox, type Peer, type PeerSocket } from "./peer.ts";
import type { ConnectOptions } from "./peer.ts";

type Options = ServeOptions<undefined> & ConnectionCallbacks<undefined>;

/** A server and its clients. */
export class Stage {
  readonly compression: CompressionOptions | false;
  readonly #peer: Peer;
  readonly #connections: Inbox<Connection> = new Inbox();
  readonly #sockets: PeerSocket[] = [];
  #server: Server | undefined;
  #scheme = "ws";

  /** @param compression How servers compress that are not told otherwise. */
  constructor(peer: Peer, compression: CompressionOptions | false = false) {
    this.#peer = peer;
    this.compression = compression;
  }

  /** The server's address, as the clients are to write it. */
  get url(): string {
    const { addr } = this.server;
    if (addr.transport !== "tcp") throw new Error("Cannot name the address: it is no TCP port");
    return `${this.#scheme}://127.0.0.1:${addr.port}/`;
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error("Cannot use the server: call serve() first");
    return this.#server;
  }

  /** Tells what its clients can do. */
  can(ability: Ability): boolean {
    return this.#peer.abilities.has(ability);
  }

  /** Starts the server; with a handler or callbacks, as `serve` takes them. */
  async serve(options: Options, handler?: Handler<undefined>): Promise<void> {
    const { compression } = this;
    const all = { hostname: "127.0.0.1", port: 0, compression, ...options };
    const { open } = options;
    this.#scheme = options.tls === undefined ? "ws" : "wss";
    this.#server = handler === undefined
      ? await serve<undefined>({
        ...all,
        open: (conn) => {
          this.#connections.push(conn);
          return open?.call(all, conn);
        },
      })
      : await serve<undefined>(all, (conn) => {
        this.#connections.push(conn);
        return handler(conn);
      });
  }

  /** Connects a client. */
  async connect(options: ConnectOptions = {}): Promise<PeerSocket> {
    const socket = await this.#peer.connect(this.url, options);
    this.#sockets.push(socket);
    return socket;
  }

  /** Connects a client, and gives both ends of the connection. */
  async pair(options: ConnectOptions = {}): Promise<{ socket: PeerSocket; conn: Connection }> {
    const socket = await this.connect(options);
    return { socket, conn: await this.#connections.take() };
  }

  /** Ends everything: all connections are closed when it resolves. */
  async clear(): Promise<void> {
    await this.#server?.shutdown();
    await Promise.all(this.#sockets.map(({ closed }) => closed));
  }
}
