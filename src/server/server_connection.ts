import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import type { ConnectionCore, ConnectionInfo } from "../connection/core.ts";
import type { FanOutSink } from "../connection/fan_out.ts";
import { WebSocketConnection } from "../connection/web_socket_connection.ts";
import { rest } from "./load_parts.ts";
import type { ServerLayer } from "../resume/server_layer.ts";
import type { Subscriber } from "../topics/fan_out/subscriber.ts";
import type { SubscribeOptions, Subscription } from "../topics/fan_out/subscription.ts";
import type { Topics } from "../topics/topics.ts";

/**
 * A connection of a server, which can subscribe to the server's topics.
 *
 * @typeParam Data What the server's `upgrade` hook attached.
 */
export interface ServerConnection<Data = unknown> extends Connection<Data> {
  /**
   * Whether this connection goes on from an earlier one of the client: both sides resume
   * ({@linkcode HostOptions.resume}), and the client told its session, or its positions in topics. Then the
   * messages that it missed of each topic come first, or its `onLost` is told of the topic. It is `false` if
   * the client comes for the first time or begins afresh: it has to be sent what depends on earlier
   * messages. It stays the same for the whole connection, and is known in `open` and the handler.
   */
  readonly isResumed: boolean;
  /**
   * Subscribes to a topic: messages that `server.publish` sends to it are sent to this connection, until
   * {@linkcode ServerConnection.unsubscribe} or its end.
   *
   * If it is subscribed already, the subscription goes on with the new options; those that are left out have
   * their defaults again. What waits for a slow peer, or was missed before it came back, still comes. Only
   * if `lag` or `queueSize` changes, messages that may not wait any more are dropped and counted in
   * {@linkcode Subscription.dropped}, and a client that resumes is told so by `onLost`. If too much waits for
   * `"close"`, the connection is closed.
   *
   * @example
   * ```ts
   * import { serve } from "@sluice/websocket";
   *
   * const server = await serve({
   *   port: 8080,
   *   open: (conn) => conn.subscribe("news"),
   *   message: (conn, data) => server.publish("news", data, { except: conn }),
   * });
   * ```
   *
   * @param topic The topic's name: any string; with a broker, or `resume`, at most 1,024 bytes of UTF-8.
   * @param options What happens to messages that the peer is too slow for: see
   * {@linkcode SubscribeOptions}.
   * @returns The subscription: the same object each time, until it ends.
   * @throws {ConnectionClosedError} If the connection has ended.
   * @throws {RangeError} If a number among the options is out of its range, the key or the info of
   * `presence` too long, or the topic longer than 1,024 bytes of UTF-8 (with `presence` and a broker 1,008)
   * on a server with a broker or `resume`.
   * @throws {TypeError} If the topic is no string, or an option is unknown or of another type.
   */
  subscribe(topic: string, options?: SubscribeOptions): Subscription;

  /**
   * Ends the subscription to a topic. What was published before is still sent, unless the peer is too
   * slow for it: what waits then is dropped and counted in {@linkcode Subscription.dropped}, and a client that
   * resumes is told so by `onLost`.
   *
   * @returns Whether there was one.
   */
  unsubscribe(topic: string): boolean;

  /** The topics that the connection is subscribed to: a copy. */
  readonly topics: ReadonlySet<string>;
}

/**
 * Takes the events of the connections of a server.
 *
 * @typeParam Data What the server's `upgrade` hook attached.
 */
export interface ServerCallbacks<Data = unknown>
  extends ConnectionCallbacks<Data, ServerConnection<Data>> {}

/** The result of the opening handshake of a server. */
export interface ServerConnectionInfo<Data> extends ConnectionInfo<Data> {
  /** What is known of a client that resumes. */
  readonly past?: ServerLayer | undefined;
}

/** Gives a connection as a subscriber; `undefined` if it is none of a server. */
export let subscriberOf: (conn: unknown) => Subscriber | undefined;

/** The implementation of {@linkcode ServerConnection}. */
export class ServerWebSocketConnection<Data> extends WebSocketConnection<Data>
  implements ServerConnection<Data> {
  // Not a method: programs have the object.
  static {
    subscriberOf = (conn) =>
      conn instanceof ServerWebSocketConnection ? conn.#getSubscriber() : undefined;
  }

  readonly #sink: FanOutSink;
  readonly #info: ServerConnectionInfo<Data>;
  readonly #topics: Topics;
  /** Set once it is needed: most connections never subscribe. */
  #subscriber: Subscriber | undefined;

  constructor(core: ConnectionCore, info: ServerConnectionInfo<Data>, topics: Topics) {
    super(core);
    this.#sink = core.outbound;
    this.#info = info;
    this.#topics = topics;
  }

  get isResumed(): boolean {
    return this.#info.past?.isReturning ?? false;
  }

  subscribe(topic: string, options: SubscribeOptions = {}): Subscription {
    rest.checkSubscription(topic, options);
    this.#sink.throwIfClosed();
    return this.#topics.subscribe(this.#getSubscriber(), topic, options);
  }

  unsubscribe(topic: string): boolean {
    return this.#subscriber !== undefined && this.#topics.unsubscribe(this.#subscriber, topic);
  }

  get topics(): ReadonlySet<string> {
    return new Set(this.#subscriber?.byTopic.keys());
  }

  #getSubscriber(): Subscriber {
    if (this.#subscriber !== undefined) return this.#subscriber;
    const subscriber = this.#topics.createSubscriber(this.#sink, this.#info);
    this.#info.past?.whenRequested(() => this.#topics.resume(subscriber));
    return this.#subscriber = subscriber;
  }
}
