/**
 * Published messages for many servers, through NATS, and for `resume` its JetStream, with the package
 * `@nats-io/transport-node`, which has to be installed: on Deno and Bun too.
 *
 * @example
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { natsBroker } from "@sluice/websocket/brokers/nats";
 *
 * const server = await serve({
 *   port: 8080,
 *   broker: natsBroker({ servers: "127.0.0.1:4222" }),
 *   onEvent: (event) => event.type === "broker" && console.log(event),
 * }, async (conn) => {
 *   conn.subscribe("news");
 *   for await (const message of conn) server.publish("news", message);
 * });
 * ```
 *
 * @module
 */

import { checkInteger, checkObject, checkOptions, invalidType, type Names } from "../checks.ts";
import type { NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";
import type {
  BrokerHandler,
  KeepingBroker,
  KeepWindow,
  KeptMessagesHandler,
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import { toBrokerError, toLostError, withoutUser } from "./broker_error.ts";
import { NatsLog } from "./nats_log.ts";
import { NatsNames } from "./nats_names.ts";
import { NatsSubscriptions } from "./nats_subscriptions.ts";
import { SharedAnswer } from "./shared_answer.ts";
import { clearTimeout, setTimeout } from "../timers.ts";

export type * from "../topics/cluster/broker.ts";

/** How often the connection is tried for a sign of life, in milliseconds; three without one end it. */
const PING_INTERVAL_MS = 5_000;
/** The time between two attempts to connect, in milliseconds, and what is added to it at random. */
const RECONNECT_MS = 250;
const RECONNECT_JITTER_MS = 250;
/** Long subjects end the connection to NATS, which takes lines of 4,096 bytes. */
const MAX_PREFIX_LENGTH = 256;
/** What JetStream takes. */
const MAX_REPLICAS = 5;
/** The time between two attempts to open the stream, in milliseconds. */
const OPEN_MS = 500;

/** Options of {@linkcode natsBroker}. */
export interface NatsBrokerOptions {
  /**
   * The NATS servers, as `host:port`: one, or several of a cluster.
   *
   * @default {"127.0.0.1:4222"}
   */
  servers?: string | string[] | undefined;
  /**
   * What the subjects begin with, before a dot and the topic. One or more words of letters, digits, `_` and
   * `-`, with a dot between two: at most 256 characters. Servers with another prefix are apart, whatever the
   * topics are: to that end, it is one token of the subjects, with a colon for each dot.
   *
   * @default {"sluice"}
   */
  prefix?: string | undefined;
  /**
   * How many servers of a cluster keep the messages that are kept: 1 to 5, and best 3. Where it is not
   * given, one does, or as many as did before.
   */
  replicas?: number | undefined;
  /**
   * More options of the client of the package `@nats-io/transport-node`, such as `tls`, `token`, `user` and
   * `pass`, or `authenticator`. Where nothing else is said, it tries the connection for a sign of life every
   * 5 seconds, gives it up after three, and connects again after half a second at most.
   */
  client?: Parameters<(typeof import("@nats-io/transport-node"))["connect"]>[0] | undefined;
}

const OPTIONS: Names<NatsBrokerOptions> = {
  servers: true,
  prefix: true,
  replicas: true,
  client: true,
};

/**
 * Creates a broker over NATS, for one server. A topic that is no subject is encoded: dots between two
 * characters part it into tokens, letters, digits, `_ - / : @ + ~` stay, and all else becomes `%` and two
 * hexadecimal digits for each byte of UTF-8. NATS takes messages of 1 MiB unless it is told otherwise; a
 * larger one is dropped, and told.
 *
 * With {@linkcode HostOptions.resume} it keeps messages, in one stream of JetStream
 * (`nats-server --jetstream`, 2.9 or newer), which is made, or changed where the options are others. Its
 * subjects are `prefix+kept.topic`, and it is named like that, with `+` for each dot of the prefix, and `=a`
 * for `A`: `sluice+kept`. Where that is longer than 255 characters, a hash stands for its end. It publishes
 * the messages again as `prefix+live.topic`, which is what servers subscribe to. The user needs the right
 * to both, to the inbox, and to `$JS.API.>`. A message is kept once JetStream says so, in its files: where
 * it is killed it loses none; where the machine crashes it may lose those of the last two minutes, unless
 * its `sync_interval` is `always`, or there are `replicas`. Where it is not known whether JetStream has a
 * message, it is published again, and is known by its id for as long as it is kept, at most for two minutes.
 * `resume.totalSize` counts what JetStream stores with a message, too. `resume.windowSize` bounds what a
 * client gets, not what is stored.
 *
 * @example Two servers of a cluster, with a token
 * ```ts
 * import { natsBroker } from "@sluice/websocket/brokers/nats";
 *
 * const broker = natsBroker({
 *   servers: ["nats-1.example:4222", "nats-2.example:4222"],
 *   prefix: "chat",
 *   client: { token: "secret" },
 * });
 * ```
 *
 * @example Messages that are kept for two minutes, at three servers of a cluster
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { natsBroker } from "@sluice/websocket/brokers/nats";
 *
 * await serve({
 *   port: 8080,
 *   broker: natsBroker({ servers: "nats-1.example:4222", replicas: 3 }),
 *   resume: true,
 *   open: (conn) => conn.subscribe("news"),
 * });
 * ```
 *
 * @param options See {@linkcode NatsBrokerOptions}.
 * @throws {RangeError} Where `replicas` is out of its range.
 * @throws {TypeError} Where an option is unknown or of another type, or the prefix is no subject.
 */
export function natsBroker(options: NatsBrokerOptions = {}): KeepingBroker {
  return new NatsBroker(options);
}

/** The implementation of {@linkcode natsBroker}. */
class NatsBroker implements KeepingBroker {
  readonly #options: NodeConnectionOptions;
  readonly #names: NatsNames;
  /** Which NATS it is, for messages. */
  readonly #where: string;
  readonly #replicas: number | undefined;
  readonly #subscriptions: NatsSubscriptions;
  #keeping: { window: KeepWindow; handler: KeptMessagesHandler } | undefined;
  #log: NatsLog | undefined;
  /** Counts what begins and ends a connection: what is done for an earlier one is of no use. */
  #turn = 0;
  #handler: BrokerHandler | undefined;
  #connection: NatsConnection | undefined;
  #isClosed = false;
  /** Resolves when the broker is closed: what waits for another attempt waits for this too. */
  readonly #closing: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Resolves when NATS has answered to what was written so far. */
  readonly #flush: SharedAnswer<void> = new SharedAnswer(() => this.#connected.flush());

  constructor(options: NatsBrokerOptions) {
    checkOptions("natsBroker", options, OPTIONS);
    const { servers = "127.0.0.1:4222", prefix = "sluice", replicas, client = {} } = options;
    const names = Array.isArray(servers) ? servers : [servers];
    if (names.length === 0 || !names.every((name) => typeof name === "string" && name !== "")) {
      throw invalidType("servers", '"host:port" or a non-empty array of those', servers);
    }
    if (
      typeof prefix !== "string" || prefix.length > MAX_PREFIX_LENGTH ||
      !/^[\w-]+(?:\.[\w-]+)*$/.test(prefix)
    ) {
      throw invalidType(
        "prefix",
        "words of letters, digits, _ and -, separated by dots, " +
          `with at most ${MAX_PREFIX_LENGTH} characters in all`,
        prefix,
      );
    }
    if (replicas !== undefined) checkInteger("replicas", replicas, 1, MAX_REPLICAS);
    checkObject("client", client);
    this.#names = new NatsNames(prefix);
    this.#where = `NATS at ${names.map(withoutUser).join(", ")}`;
    this.#replicas = replicas;
    this.#subscriptions = new NatsSubscriptions(
      (topic) => this.#names.toSubject(topic),
      (topic, message) => this.#handler!.receiveMessage(topic, message.data),
      (error) => this.#tellError(error),
    );
    this.#options = {
      pingInterval: PING_INTERVAL_MS,
      reconnectTimeWait: RECONNECT_MS,
      reconnectJitter: RECONNECT_JITTER_MS,
      reconnectJitterTLS: RECONNECT_JITTER_MS,
      ...client,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      // Each request would take a stack trace.
      noAsyncTraces: true,
      // What was published here is delivered here already.
      noEcho: true,
      servers: names,
    };
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
    const natsPackage = await import("@nats-io/transport-node");
    if (this.#keeping !== undefined) {
      this.#log = new NatsLog(
        this.#names,
        await this.#names.toStream(),
        this.#replicas,
        this.#options.inboxPrefix,
        natsPackage,
        this.#keeping.window,
        this.#keeping.handler,
        {
          receiveGone: (error) => this.#reopen(error),
          receiveError: (error) => this.#tellError(error),
        },
      );
    }
    void this.#keepConnected(() => natsPackage.connect(this.#options), handler);
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    this.#connected.publish(this.#names.toSubject(topic), message);
    await this.#flush.get();
  }

  append(topic: string, id: string, message: Uint8Array): Promise<void> {
    return this.#kept.append(this.#connected, topic, id, message);
  }

  read(topic: string, after: Position | undefined): Promise<MissedMessages> {
    return this.#kept.read(topic, after);
  }

  async subscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    if (isKept) this.#kept.subscribe(this.#connected, topics);
    else this.#subscriptions.add(this.#connected, topics);
    await this.#flush.get();
  }

  async unsubscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    if (isKept) this.#kept.unsubscribe(topics);
    else this.#subscriptions.delete(topics);
    await this.#flush.get();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#log?.close();
    this.#closing.resolve();
    await this.#connection?.close();
  }

  get #connected(): NatsConnection {
    if (this.#connection === undefined) throw new Error(`There is no connection to ${this.#where}`);
    return this.#connection;
  }

  get #kept(): NatsLog {
    if (this.#log === undefined) throw new TypeError("Cannot keep messages: call keep() first");
    return this.#log;
  }

  #tellError(error: unknown): void {
    if (!this.#isClosed) this.#handler!.receiveError(toBrokerError(`use ${this.#where}`, error));
  }

  /** Connects, and once more whenever the client gives up: at first, or for good. */
  async #keepConnected(
    connect: () => Promise<NatsConnection>,
    handler: BrokerHandler,
  ): Promise<void> {
    while (!this.#isClosed) {
      try {
        const connection = await connect();
        if (this.#isClosed) return await connection.close();
        this.#connection = connection;
        this.#subscriptions.renew(connection);
        this.#log?.renew(connection);
        void this.#open(connection, handler);
        await this.#watch(connection, handler);
      } catch (error) {
        if (!this.#isClosed) {
          handler.receiveLost(toBrokerError(`connect to ${this.#where}`, error));
        }
      }
      this.#suspend();
      this.#connection = undefined;
      if (!this.#isClosed) await this.#wait(RECONNECT_MS + Math.random() * RECONNECT_JITTER_MS);
    }
  }

  /** Tells how a connection stands, until it has ended for good. */
  async #watch(connection: NatsConnection, handler: BrokerHandler): Promise<void> {
    let lastError: unknown;
    for await (const status of connection.status()) {
      if (this.#isClosed) return;
      if (status.type === "error") {
        lastError = status.error;
        this.#tellError(status.error);
      } else if (status.type === "disconnect") {
        this.#suspend();
        const reason = lastError ?? new Error(`${status.server} has closed it`);
        handler.receiveLost(toLostError(this.#where, reason));
      } else if (status.type === "reconnect") {
        lastError = undefined;
        void this.#open(connection, handler);
      }
    }
    const error = await connection.closed();
    if (!this.#isClosed) {
      const reason = error ?? new Error("it was closed");
      handler.receiveLost(toLostError(this.#where, reason));
    }
  }

  /** Opens the log where there is one, however often that takes, and tells that it is connected. */
  async #open(connection: NatsConnection, handler: BrokerHandler): Promise<void> {
    const turn = ++this.#turn;
    while (this.#log !== undefined) {
      try {
        await this.#log.open(connection);
        break;
      } catch (error) {
        if (turn !== this.#turn || this.#isClosed) return;
        handler.receiveLost(toBrokerError(`use ${this.#where}`, error));
        await this.#wait(OPEN_MS);
        if (turn !== this.#turn) return;
      }
    }
    if (turn === this.#turn && !this.#isClosed) handler.receiveConnected();
  }

  #suspend(): void {
    this.#turn++;
    this.#log?.suspend();
  }

  /** Begins again with a connection whose log is not what it was. */
  #reopen(error: Error): void {
    const [connection, handler] = [this.#connection, this.#handler];
    if (connection === undefined || handler === undefined || this.#isClosed) return;
    handler.receiveLost(toBrokerError(`use ${this.#where}`, error));
    void this.#open(connection, handler);
  }

  async #wait(delayMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const delay = new Promise<void>((resolve) => timer = setTimeout(resolve, delayMs));
    await Promise.race([delay, this.#closing.promise]);
    clearTimeout(timer);
  }
}
