import type { Address, ByteListener, Listen } from "../transport/byte_channel.ts";
import type { Clock } from "../transport/clock.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { Handler, ServeOptions } from "./options.ts";
import { loadParts, rest } from "./load_parts.ts";
import type { ServerCallbacks } from "./server_connection.ts";
import {
  defaultServerSettings,
  plainSettings,
  type ServerSettings,
  type ServeSettings,
} from "./settings.ts";
import { isPlainObject } from "../basic_values.ts";
import { ServerBase } from "./server_base.ts";

/**
 * A server that listens.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface Server<Data = unknown> extends ConnectionHost<Data> {
  /** The address the server listens on; the port is the real one if 0 was asked for. */
  readonly addr: Address;
  /** The port the server listens on, the real one if 0 was asked for; 0 if it listens on a `path`. */
  readonly port: number;
  /**
   * A URL to connect to the server by, from this machine: `ws:`, or `wss:` if it has a certificate, with
   * the `hostname` that was given, and the path `/`. If that stands for all addresses, as `0.0.0.0` does,
   * it has the one of this machine, 127.0.0.1 or [::1]. If the server listens on a `path`, the URL says
   * `localhost`, and the client needs that path too: `connect(server.url, { path })`.
   */
  readonly url: string;
  /** Keeps the process alive while the server listens (the default). */
  ref(): void;
  /** Lets the process end while the server listens and no connection is open. */
  unref(): void;
}

/** The implementation of {@linkcode Server}, over the `listen` of an adapter. */
export class WebSocketServer<Data> extends ServerBase<Data> implements Server<Data> {
  #listener!: ByteListener;
  #url = "";

  static async listen<Data>(
    listen: Listen,
    options: ServeOptions<Data> & ServerCallbacks<Data>,
    handler: Handler<Data> | undefined,
    clock?: Clock,
  ): Promise<WebSocketServer<Data>> {
    const defaults = defaultServerSettings<Data>(clock);
    const { settings, target, tls } = plainSettings(options, handler, defaults) ??
      await resolveOptions(options, handler, defaults);
    settings.signal?.throwIfAborted();
    const server = new WebSocketServer(
      settings,
      await loadParts(settings.accept, settings.resume !== undefined),
    );
    const secure = tls !== undefined;
    await server.start();
    try {
      server.#listener = await listen(
        target,
        tls,
        (channel) => void server.startHandshake(channel, secure),
        (remote, drop) => server.startTlsHandshake(remote, drop),
      );
    } catch (error) {
      await server.closeTopics();
      throw error;
    }
    server.#url = rest.urlOf(server.addr, "hostname" in target ? target.hostname : "", secure);
    server.watchSignal();
    return server;
  }

  get addr(): Address {
    return this.#listener.addr;
  }

  get port(): number {
    const { addr } = this;
    return addr.transport === "tcp" ? addr.port : 0;
  }

  get url(): string {
    return this.#url;
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  protected override afterArrivals(callback: () => void): void {
    // A connection may be there before `listen` has resolved.
    const listener: ByteListener | undefined = this.#listener;
    if (listener?.afterArrivals === undefined) super.afterArrivals(callback);
    else listener.afterArrivals(callback);
  }

  protected override stop(): Promise<void> {
    return this.#listener.close();
  }
}

/** Checks options by what is loaded for it, with the options as they are now. */
async function resolveOptions<Data>(
  options: ServeOptions<Data> & ServerCallbacks<Data>,
  handler: Handler<Data> | undefined,
  defaults: ServerSettings<Data>,
): Promise<ServeSettings<Data>> {
  const given = isPlainObject(options) ? { ...options } : options;
  const { resolveServeOptions } = await import("./resolve_options.ts");
  return resolveServeOptions(given, handler, defaults, options);
}
