import type { Address, ByteListener, Listen } from "../connection/byte_channel.ts";
import type { Clock } from "../connection/clock.ts";
import type { ConnectionCallbacks } from "../connection/connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { resolveHostOptions } from "./host_settings.ts";
import {
  checkTls,
  type Handler,
  resolveListenTarget,
  SERVE_OPTIONS,
  type ServeOptions,
} from "./options.ts";
import { loadCompression, WebSocketHost } from "./web_socket_host.ts";

/**
 * A server that listens.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface Server<Data = unknown> extends ConnectionHost<Data> {
  /** The address the server listens on; the port is the real one where 0 was asked for. */
  readonly addr: Address;
  /** Keeps the process alive while the server listens (the default). */
  ref(): void;
  /** Lets the process end while the server listens and no connection is open. */
  unref(): void;
}

/** The implementation of {@linkcode Server}, over the `listen` of an adapter. */
export class WebSocketServer<Data> extends WebSocketHost<Data> implements Server<Data> {
  #listener!: ByteListener;

  /** Checks the options, and listens. */
  static async listen<Data>(
    listen: Listen,
    options: ServeOptions<Data> & ConnectionCallbacks<Data>,
    handler: Handler<Data> | undefined,
    clock?: Clock,
  ): Promise<WebSocketServer<Data>> {
    const settings = resolveHostOptions("serve", SERVE_OPTIONS, options, handler, clock);
    const { tls } = options;
    checkTls(tls);
    const target = resolveListenTarget(options);
    settings.signal?.throwIfAborted();
    const server = new WebSocketServer(settings, await loadCompression(settings));
    const secure = tls !== undefined;
    await server.startBroker();
    try {
      server.#listener = await listen(
        target,
        tls,
        (channel) => void server.startHandshake(channel, secure),
        (remote, drop) => server.startTlsHandshake(remote, drop),
      );
    } catch (error) {
      await server.closeBroker();
      throw error;
    }
    const { afterArrivals } = server.#listener;
    if (afterArrivals !== undefined) server.topics.schedule = afterArrivals;
    server.shutDownOn(settings.signal);
    return server;
  }

  get addr(): Address {
    return this.#listener.addr;
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  protected override stop(): Promise<void> {
    return this.#listener.close();
  }
}
