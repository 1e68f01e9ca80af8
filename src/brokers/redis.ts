/**
 * Published messages for many servers, through Redis (or what speaks its protocol): its Pub/Sub, and for
 * `resume` its Streams, with the package `redis`, which has to be installed.
 *
 * @example
 * ```ts
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
import { checkBoolean, checkObject, checkOptions, invalidType, type Names } from "../checks.ts";
import type {
  BrokerHandler,
  KeepingBroker,
  KeepWindow,
  KeptMessagesHandler,
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import { toBrokerError, toLostError, withoutUser } from "./broker_error.ts";
import { RedisLog, type SendCommand } from "./redis_log.ts";
import { RedisNames } from "./redis_names.ts";
import { clearTimeout, setTimeout } from "../timers.ts";

export type * from "../topics/cluster/broker.ts";

/** How often a connection is tried for a sign of life, in milliseconds. */
const PING_INTERVAL_MS = 5_000;
/** How long a connection may be silent, in milliseconds. */
const SOCKET_TIMEOUT_MS = 15_000;
/** The longest time between two attempts to connect, in milliseconds. */
const MAX_RECONNECT_MS = 1_000;
/** The time between two attempts to prepare Redis for what is to be kept, in milliseconds. */
const PREPARE_MS = 250;

/** Options of {@linkcode redisBroker}. */
export interface RedisBrokerOptions {
  /**
   * Where Redis is: `redis://` or, with TLS, `rediss://`, and `user:password@host:port/database`.
   *
   * @default {"redis://127.0.0.1:6379"}
   */
  url?: string | undefined;
  /**
   * Whether to use sharded Pub/Sub (`SSUBSCRIBE` and `SPUBLISH`, from Redis 7 on), which a cluster keeps
   * to the shard of the channel. The servers have to agree about it.
   *
   * @default {false}
   */
  sharded?: boolean | undefined;
  /**
   * What the channels begin with, before the topic. The keys and channels of messages that are kept begin
   * with `kept:` and this. Servers with another prefix are apart, whatever the topics are: to that end, all
   * but a colon at its end, letters, digits and `- _ . ! ~ ' ( )` is percent-encoded, and `%:` stands behind
   * one without that colon. Databases are no such borders: channels have none.
   *
   * @default {"sluice:"}
   */
  prefix?: string | undefined;
  /**
   * More options of the client of the package `redis`, such as `socket` for TLS, `username`, `password`
   * or `name`. Where nothing else is said, it tries a connection for a sign of life every 5 seconds, gives
   * it up after 15 seconds of silence, and connects again after 50 milliseconds up to a second.
   */
  client?: Parameters<(typeof import("redis"))["createClient"]>[0] | undefined;
}

const OPTIONS: Names<RedisBrokerOptions> = { url: true, sharded: true, prefix: true, client: true };

/**
 * Creates a broker over Redis, for one server. It has two connections: one that subscribes, one that
 * publishes. Redis limits what it keeps for a subscriber that is too slow
 * (`client-output-buffer-limit pubsub`), and ends its connection past that: it is made again, and what was
 * published meanwhile is lost.
 *
 * With {@linkcode HostOptions.resume} it keeps messages, in a stream for each topic, which a Lua script adds
 * to and trims. A message is kept once Redis says so, and as surely as Redis stores it: with `appendonly yes`
 * and `appendfsync always` a crash loses none, with `appendfsync everysec` it may lose those of the last
 * second, and without `appendonly` a restart loses all that came after the last snapshot. Replicas are
 * written to later: where one takes over, it may lack the last messages. Where Redis has no memory left,
 * messages wait until it has, or are dropped past `brokerQueueSize`; what it takes for all topics together
 * is for its own `maxmemory` to bound, not for `resume.totalSize`. A policy that evicts keys makes it forget
 * messages, and clients are told so. An epoch is forgotten a day after its topic's last message has expired.
 *
 * @example Sharded, with a password, apart from other applications
 * ```ts
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
 * @example Messages that are kept for two minutes
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { redisBroker } from "@sluice/websocket/brokers/redis";
 *
 * await serve({
 *   port: 8080,
 *   broker: redisBroker({ url: "redis://127.0.0.1:6379" }),
 *   resume: true,
 *   open: (conn) => conn.subscribe("news"),
 * });
 * ```
 *
 * @param options See {@linkcode RedisBrokerOptions}.
 * @throws {TypeError} Where an option is unknown or of another type.
 */
export function redisBroker(options: RedisBrokerOptions = {}): KeepingBroker {
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
    } as NonNullable<RedisClientOptions["socket"]>,
  });
}

/** The implementation of {@linkcode redisBroker}. */
class RedisBroker implements KeepingBroker {
  readonly #url: string;
  /** Which Redis it is, for messages. */
  readonly #where: string;
  readonly #names: RedisNames;
  readonly #sharded: boolean;
  readonly #options: RedisClientOptions;
  #handler: BrokerHandler | undefined;
  #publisher!: Client;
  #subscriber!: Client;
  #isClosed = false;
  #keeping: { window: KeepWindow; handler: KeptMessagesHandler } | undefined;
  #log: RedisLog | undefined;
  #isPreparing = false;
  #prepareTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #receive = (message: Buffer, channel: Buffer): void => {
    this.#handler!.receiveMessage(this.#names.topicOfChannel(channel.toString()), message);
  };

  readonly #receiveKept = (payload: Buffer, channel: Buffer): void => {
    const kept = this.#log!.parse(channel, payload);
    if (kept !== undefined) return this.#keeping!.handler.receiveKept(kept.topic, kept.message);
    this.#handler!.receiveError(
      new Error(`Cannot read what was published to ${channel}: it is not from a server`),
    );
  };

  constructor(options: RedisBrokerOptions) {
    checkOptions("redisBroker", options, OPTIONS);
    const { url = "redis://127.0.0.1:6379", prefix = "sluice:", sharded = false, client = {} } =
      options;
    if (typeof url !== "string" || !/^rediss?:\/\//i.test(url) || !URL.canParse(url)) {
      throw invalidType(
        "url",
        'a redis: or rediss: URL, such as "redis://127.0.0.1:6379"',
        typeof url === "string" ? withoutUser(url) : url,
      );
    }
    if (typeof prefix !== "string" || !prefix.isWellFormed()) {
      throw invalidType("prefix", "a well-formed string", prefix);
    }
    checkBoolean("sharded", sharded);
    checkObject("client", client);
    this.#url = url;
    this.#where = `Redis at ${withoutUser(url).replace(/[?#][^]*$/, "")}`;
    this.#names = new RedisNames(prefix);
    this.#sharded = sharded;
    this.#options = client as RedisClientOptions;
  }

  keep(window: KeepWindow, handler: KeptMessagesHandler): void {
    if (this.#handler !== undefined || this.#keeping !== undefined) {
      throw new TypeError("Cannot keep messages: keep() is called once, before start()");
    }
    this.#keeping = { window, handler };
  }

  async start(handler: BrokerHandler): Promise<void> {
    if (this.#handler !== undefined) {
      throw new TypeError("Cannot use a broker for two servers: each needs one of its own");
    }
    this.#handler = handler;
    this.#publisher = await createClient(this.#url, this.#options);
    this.#subscriber = await createClient(this.#url, this.#options);
    if (this.#keeping !== undefined) {
      const { RESP_TYPES } = await import("redis");
      const client = this.#publisher.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      const { window } = this.#keeping;
      const send: SendCommand = (words) => client.sendCommand(words);
      this.#log = new RedisLog(window, this.#names, this.#sharded, send);
    }
    for (const client of [this.#publisher, this.#subscriber]) {
      let wasReady = false;
      client.on("ready", () => {
        wasReady = true;
        if (!this.#isReady) return;
        if (this.#log === undefined) handler.receiveConnected();
        else void this.#prepare(this.#log, handler);
      });
      client.on("error", (error: unknown) => {
        if (this.#isClosed) return;
        if (client.isReady) handler.receiveError(toBrokerError(`use ${this.#where}`, error));
        else if (wasReady) handler.receiveLost(toLostError(this.#where, error));
        else handler.receiveLost(toBrokerError(`connect to ${this.#where}`, error));
        // What fails from now on is to connect again.
        if (!client.isReady) wasReady = false;
      });
      // What fails is told as an error, and tried again.
      client.connect().catch(() => {});
    }
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
    const channel = this.#names.toChannel(topic);
    if (this.#sharded) await this.#publisher.sPublish(channel, bytes);
    else await this.#publisher.publish(channel, bytes);
  }

  append(topic: string, id: string, message: Uint8Array): Promise<void> {
    return this.#kept.append(topic, id, message);
  }

  read(topic: string, after: Position | undefined, maxSize?: number): Promise<MissedMessages> {
    return this.#kept.read(topic, after, maxSize);
  }

  async subscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    const channels = this.#toChannels(topics, isKept);
    const receive = isKept ? this.#receiveKept : this.#receive;
    if (!this.#sharded) return await this.#subscriber.subscribe(channels, receive, true);
    // A cluster refuses a command for several shards.
    await Promise.all(
      channels.map((channel) => this.#subscriber.sSubscribe(channel, receive, true)),
    );
  }

  async unsubscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    const channels = this.#toChannels(topics, isKept);
    const receive = isKept ? this.#receiveKept : this.#receive;
    if (!this.#sharded) return await this.#subscriber.unsubscribe(channels, receive, true);
    await Promise.all(
      channels.map((channel) => this.#subscriber.sUnsubscribe(channel, receive, true)),
    );
  }

  close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#prepareTimer);
    for (const client of [this.#publisher, this.#subscriber]) if (client?.isOpen) client.destroy();
    return Promise.resolve();
  }

  get #isReady(): boolean {
    return !this.#isClosed && this.#publisher.isReady && this.#subscriber.isReady;
  }

  get #kept(): RedisLog {
    if (this.#log === undefined) throw new TypeError("Cannot keep messages: call keep() first");
    return this.#log;
  }

  #toChannels(topics: readonly string[], isKept: boolean): string[] {
    if (!isKept) return topics.map((topic) => this.#names.toChannel(topic));
    const log = this.#kept;
    return topics.map((topic) => log.toChannel(topic));
  }

  /**
   * Prepares Redis, which may be loading its data still, and tells that it is connected. Nothing is sent
   * before: what is refused at first, and taken then, would change places.
   */
  async #prepare(log: RedisLog, handler: BrokerHandler): Promise<void> {
    clearTimeout(this.#prepareTimer);
    if (this.#isPreparing) return;
    this.#isPreparing = true;
    try {
      await log.open();
      if (this.#isReady) handler.receiveConnected();
    } catch (error) {
      if (!this.#isReady) return;
      handler.receiveLost(toBrokerError(`use ${this.#where}`, error));
      this.#prepareTimer = setTimeout(() => {
        if (this.#isReady) void this.#prepare(log, handler);
      }, PREPARE_MS);
    } finally {
      this.#isPreparing = false;
    }
  }
}
