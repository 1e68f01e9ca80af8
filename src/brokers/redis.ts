/**
 * Published messages for many servers, through Redis (or what speaks its protocol): its Pub/Sub, with the
 * package `redis`, which has to be installed.
 *
 * @example
 * ```ts no-run
 * import { serve } from "@sluice/websocket";
 * import { redisBroker } from "@sluice/websocket/brokers/redis";
 *
 * const server = await serve({
 *   port: 8080,
 *   broker: redisBroker({ url: "redis://127.0.0.1:6379" }),
 *   onEvent: (event) => event.type === "broker" && console.log(event),
 * }, async (conn) => {
 *   conn.subscribe("news");
 *   for await (const message of conn) server.publish("news", message);
 * });
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { RedisClientOptions } from "redis";
import type { Broker, BrokerHandler } from "../topics/broker.ts";

export type { Broker, BrokerHandler } from "../topics/broker.ts";

/** How often a connection is tried for a sign of life, in milliseconds. */
const PING_INTERVAL_MS = 5_000;
/** How long a connection may be silent, in milliseconds. */
const SOCKET_TIMEOUT_MS = 15_000;
/** The longest time between two attempts to connect, in milliseconds. */
const MAX_RECONNECT_MS = 1_000;

/** Options of {@linkcode redisBroker}. */
export interface RedisBrokerOptions {
  /**
   * Where Redis is: `redis://` or, with TLS, `rediss://`, and `user:password@host:port/database`.
   *
   * @default {"redis://127.0.0.1:6379"}
   */
  url?: string;
  /**
   * Whether to use sharded Pub/Sub (`SSUBSCRIBE` and `SPUBLISH`, from Redis 7 on), which a cluster keeps
   * to the shard of the channel. The servers have to agree about it.
   *
   * @default {false}
   */
  sharded?: boolean;
  /**
   * What the channels begin with, before the topic. Servers with another prefix are apart.
   *
   * @default {"sluice:"}
   */
  prefix?: string;
  /**
   * More options of the client of the package `redis`, such as `socket` for TLS, `username`, `password`
   * or `name`. Where nothing else is said, it tries a connection for a sign of life every 5 seconds, gives
   * it up after 15 seconds of silence, and connects again after 50 milliseconds up to a second.
   */
  client?: Parameters<(typeof import("redis"))["createClient"]>[0];
}

/**
 * Creates a broker over Redis, for one server. It has two connections: one that subscribes, one that
 * publishes. Redis limits what it keeps for a subscriber that is too slow
 * (`client-output-buffer-limit pubsub`), and ends its connection past that: it is made again, and what was
 * published meanwhile is lost.
 *
 * @example Sharded, with a password, apart from other applications
 * ```ts no-run
 * import { redisBroker } from "@sluice/websocket/brokers/redis";
 *
 * const broker = redisBroker({
 *   url: "rediss://redis.example:6380",
 *   sharded: true,
 *   prefix: "chat:",
 *   client: { username: "chat", password: "secret" },
 * });
 * ```
 *
 * @param options See {@linkcode RedisBrokerOptions}.
 * @throws {TypeError} Where an option is of another type.
 */
export function redisBroker(options: RedisBrokerOptions = {}): Broker {
  return new RedisBroker(options);
}

type Client = Awaited<ReturnType<typeof createClient>>;

async function createClient(url: string, options: RedisClientOptions) {
  const redis = await import("redis");
  const { socket, ...others } = options;
  return redis.createClient({
    pingInterval: PING_INTERVAL_MS,
    ...others,
    url,
    // The server keeps what waits, within its own bound.
    disableOfflineQueue: true,
    socket: {
      socketTimeout: SOCKET_TIMEOUT_MS,
      // The client's own strategy gives up after a timeout.
      reconnectStrategy: (retries: number) =>
        Math.min(50 * 2 ** retries, MAX_RECONNECT_MS) * (0.5 + Math.random() / 2),
      ...socket,
    } as RedisClientOptions["socket"],
  });
}

/** The implementation of {@linkcode redisBroker}. */
class RedisBroker implements Broker {
  readonly #url: string;
  readonly #prefix: string;
  readonly #sharded: boolean;
  readonly #options: RedisClientOptions;
  #handler: BrokerHandler | undefined;
  #publisher!: Client;
  #subscriber!: Client;
  #isClosed = false;
  readonly #receive = (message: Buffer, channel: Buffer): void => {
    this.#handler!.receiveMessage(channel.toString().slice(this.#prefix.length), message);
  };

  constructor(options: RedisBrokerOptions) {
    const { url = "redis://127.0.0.1:6379", prefix = "sluice:", sharded = false, client = {} } =
      options;
    if (typeof url !== "string" || !URL.canParse(url)) {
      throw new TypeError(
        `Cannot use ${JSON.stringify(url)} as url: it is a URL of redis: or rediss:`,
      );
    }
    if (typeof prefix !== "string" || !prefix.isWellFormed()) {
      throw new TypeError(`Cannot use ${JSON.stringify(prefix)} as prefix: it is a string`);
    }
    this.#url = url;
    this.#prefix = prefix;
    this.#sharded = sharded;
    this.#options = client as RedisClientOptions;
  }

  async start(handler: BrokerHandler): Promise<void> {
    if (this.#handler !== undefined) {
      throw new TypeError("Cannot use a broker for two servers: each needs one of its own");
    }
    this.#handler = handler;
    this.#publisher = await createClient(this.#url, this.#options);
    this.#subscriber = await createClient(this.#url, this.#options);
    for (const client of [this.#publisher, this.#subscriber]) {
      client.on("ready", () => {
        if (this.#publisher.isReady && this.#subscriber.isReady) handler.receiveConnected();
      });
      client.on("error", (error: unknown) => {
        if (this.#isClosed) return;
        if (client.isReady) handler.receiveError(error);
        else handler.receiveLost(error);
      });
      // What fails is told as an error, and tried again.
      client.connect().catch(() => {});
    }
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
    const channel = this.#prefix + topic;
    if (this.#sharded) await this.#publisher.sPublish(channel, bytes);
    else await this.#publisher.publish(channel, bytes);
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    const channels = topics.map((topic) => this.#prefix + topic);
    if (!this.#sharded) return await this.#subscriber.subscribe(channels, this.#receive, true);
    // A cluster refuses a command for several shards.
    await Promise.all(
      channels.map((channel) => this.#subscriber.sSubscribe(channel, this.#receive, true)),
    );
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    const channels = topics.map((topic) => this.#prefix + topic);
    if (!this.#sharded) return await this.#subscriber.unsubscribe(channels, this.#receive, true);
    await Promise.all(
      channels.map((channel) => this.#subscriber.sUnsubscribe(channel, this.#receive, true)),
    );
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const client of [this.#publisher, this.#subscriber]) if (client?.isOpen) client.destroy();
    return Promise.resolve();
  }
}
