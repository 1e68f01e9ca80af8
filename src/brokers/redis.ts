/**
 * Connects servers through Redis Pub/Sub, or a server that speaks its protocol, so that a message published
 * on one reaches subscribers on all; for `resume`, messages are retained in Redis Streams. Needs the package
 * `redis`.
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
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import { toBrokerError, withoutUser } from "./broker_error.ts";
import { RedisLog, type SendCommand } from "./redis_log.ts";
import { RedisNames } from "./redis_names.ts";
import { RetainingBroker } from "./retaining_broker.ts";
import { clearTimeout, setTimeout } from "../timers.ts";

export type * from "../topics/cluster/broker.ts";

const PING_INTERVAL_MS = 5_000;
/** How long a connection may be silent before it is closed, in milliseconds. */
const SOCKET_TIMEOUT_MS = 15_000;
const MAX_RECONNECT_MS = 1_000;
/** The time between two attempts to load the scripts into Redis, in milliseconds. */
const PREPARE_MS = 250;

/** Options of {@linkcode redisBroker}. */
export interface RedisBrokerOptions {
  /**
   * The URL of Redis: `redis://` or, with TLS, `rediss://`, and `user:password@host:port/database`.
   *
   * @default {"redis://127.0.0.1:6379"}
   */
  url?: string | undefined;
  /**
   * Whether to use sharded Pub/Sub (`SSUBSCRIBE` and `SPUBLISH`, Redis 7 or newer): a cluster forwards a message
   * only within the shard of its channel. Must be the same for all servers.
   *
   * @default {false}
   */
  sharded?: boolean | undefined;
  /**
   * The beginning of the channels, before the topic. The keys and channels of retained messages begin with
   * `kept:` and the prefix. Servers with different prefixes never receive each other's messages, whatever the
   * topics are: so all characters but a final colon, letters, digits and `- _ . ! ~ ' ( )` are percent-encoded,
   * and `%:` is appended if there is no final colon. Different databases are no such separation: Pub/Sub ignores
   * them.
   *
   * @default {"sluice:"}
   */
  prefix?: string | undefined;
  /**
   * More options for the client of the package `redis`, such as `socket` for TLS, `username`, `password` or
   * `name`. By default, it pings every 5 seconds, closes a connection after 15 seconds of silence, and
   * reconnects after 50 milliseconds to a second.
   */
  client?: Parameters<(typeof import("redis"))["createClient"]>[0] | undefined;
}

const OPTIONS: Names<RedisBrokerOptions> = { url: true, sharded: true, prefix: true, client: true };

/**
 * Creates a broker that uses Redis, for one server. It opens two connections: one to subscribe, one to publish.
 * Redis closes the connection of a subscriber that is too slow (`client-output-buffer-limit pubsub`); the broker
 * reconnects, and the messages published meanwhile are lost.
 *
 * With {@linkcode HostOptions.resume}, messages are retained in one Redis Stream for each topic, which a Lua
 * script appends to and trims. How durable an acknowledged message is depends on Redis: with `appendonly yes` and
 * `appendfsync always`, a crash loses none; with `appendfsync everysec`, it may lose those of the last second;
 * without `appendonly`, a restart loses all since the last snapshot. Replication is asynchronous: a replica that
 * takes over may lack the last messages.
 *
 * If Redis is out of memory, messages wait until it accepts them, or are dropped past `brokerQueueSize`. The size
 * of all topics together is limited by `maxmemory` of Redis, not by `resume.totalSize`. If its policy evicts keys,
 * messages are lost, and clients are told so. The epoch of a topic is forgotten a day after its last message has
 * expired.
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
 * @example Messages that are retained for two minutes
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
 * @throws {TypeError} If an option is unknown or of another type.
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
    // The server has a queue of its own, with a limit.
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

class RedisBroker extends RetainingBroker<RedisLog> implements KeepingBroker {
  readonly #url: string;
  /** The address of Redis, for error messages. */
  readonly #server: string;
  readonly #names: RedisNames;
  readonly #sharded: boolean;
  readonly #options: RedisClientOptions;
  #publisher!: Client;
  #subscriber!: Client;
  #isPreparing = false;
  #prepareTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #receive = (message: Buffer, channel: Buffer): void => {
    this.handler!.receiveMessage(this.#names.topicOfChannel(channel.toString()), message);
  };
  readonly #receiveKept = (payload: Buffer, channel: Buffer): void => {
    const kept = this.log!.parse(channel, payload);
    if (kept !== undefined) return this.keeping!.handler.receiveKept(kept.topic, kept.message);
    this.handler!.receiveError(
      new Error(`Cannot read a message of ${channel}: it was not published by a server`),
    );
  };

  constructor(options: RedisBrokerOptions) {
    super();
    checkOptions("redisBroker", options, OPTIONS);
    const { url = "redis://127.0.0.1:6379", prefix = "sluice:", sharded = false, client = {} } =
      options;
    if (typeof url !== "string" || !/^rediss?:\/\//i.test(url) || !URL.canParse(url)) {
      const expected = 'a redis: or rediss: URL, such as "redis://127.0.0.1:6379"';
      throw invalidType("url", expected, typeof url === "string" ? withoutUser(url) : url);
    }
    if (typeof prefix !== "string" || !prefix.isWellFormed()) {
      throw invalidType("prefix", "a well-formed string", prefix);
    }
    checkBoolean("sharded", sharded);
    checkObject("client", client);
    this.#url = url;
    this.#server = `Redis at ${withoutUser(url).replace(/[?#][^]*$/, "")}`;
    this.#names = new RedisNames(prefix);
    this.#sharded = sharded;
    this.#options = client as RedisClientOptions;
  }

  async start(handler: BrokerHandler): Promise<void> {
    this.begin(handler);
    this.#publisher = await createClient(this.#url, this.#options);
    this.#subscriber = await createClient(this.#url, this.#options);
    if (this.keeping !== undefined) {
      const { RESP_TYPES } = await import("redis");
      const client = this.#publisher.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      const { window } = this.keeping;
      const send: SendCommand = (words) => client.sendCommand(words);
      this.log = new RedisLog(window, this.#names, this.#sharded, send);
    }
    for (const client of [this.#publisher, this.#subscriber]) {
      let wasReady = false;
      client.on("ready", () => {
        wasReady = true;
        if (!this.#isReady) return;
        if (this.log === undefined) handler.receiveConnected();
        else void this.#prepare();
      });
      client.on("error", (error: unknown) => {
        if (this.isClosed) return;
        const fail = (what: string) => toBrokerError(what, error);
        if (client.isReady) handler.receiveError(fail(`Cannot use ${this.#server}`));
        else if (wasReady) handler.receiveLost(fail(`The connection to ${this.#server} was lost`));
        else handler.receiveLost(fail(`Cannot connect to ${this.#server}`));
        // From now on, errors are those of connect attempts.
        if (!client.isReady) wasReady = false;
      });
      // Failures are reported by the event "error", and the client retries.
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
    return this.kept.append(topic, id, message);
  }

  read(topic: string, after: Position | undefined, maxSize?: number): Promise<MissedMessages> {
    return this.kept.read(topic, after, maxSize);
  }

  subscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    return this.#change("subscribe", "sSubscribe", topics, isKept);
  }

  unsubscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    return this.#change("unsubscribe", "sUnsubscribe", topics, isKept);
  }

  close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.#prepareTimer);
    for (const client of [this.#publisher, this.#subscriber]) if (client?.isOpen) client.destroy();
    return Promise.resolve();
  }

  get #isReady(): boolean {
    return !this.isClosed && this.#publisher.isReady && this.#subscriber.isReady;
  }

  async #change(
    what: "subscribe" | "unsubscribe",
    whatSharded: "sSubscribe" | "sUnsubscribe",
    topics: readonly string[],
    isKept: boolean,
  ): Promise<void> {
    if (isKept) void this.kept;
    const receive = isKept ? this.#receiveKept : this.#receive;
    const channels = topics.map((topic) =>
      isKept ? this.#names.toKeptName(topic, "live") : this.#names.toChannel(topic)
    );
    if (!this.#sharded) return await this.#subscriber[what](channels, receive, true);
    // A cluster refuses a command for several shards.
    await Promise.all(
      channels.map((channel) => this.#subscriber[whatSharded](channel, receive, true)),
    );
  }

  /**
   * Loads the scripts, and then reports the connection. Redis may still be loading its data and refuse commands;
   * messages sent before it is ready could be refused and retried, out of order.
   */
  async #prepare(): Promise<void> {
    clearTimeout(this.#prepareTimer);
    if (this.#isPreparing) return;
    this.#isPreparing = true;
    try {
      await this.kept.open();
      if (this.#isReady) this.handler!.receiveConnected();
    } catch (error) {
      if (!this.#isReady) return;
      this.handler!.receiveLost(toBrokerError(`Cannot use ${this.#server}`, error));
      this.#prepareTimer = setTimeout(() => {
        if (this.#isReady) void this.#prepare();
      }, PREPARE_MS);
    } finally {
      this.#isPreparing = false;
    }
  }
}
