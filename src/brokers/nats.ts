/**
 * Connects servers through NATS, so that a message published on one reaches subscribers on all; for `resume`,
 * messages are retained in its JetStream. Needs the package `@nats-io/transport-node`, on Deno and Bun, too.
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
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import { toBrokerError, withoutUser } from "./broker_error.ts";
import { NatsLog } from "./nats_log.ts";
import { NatsNames } from "./nats_names.ts";
import { NatsSubscriptions } from "./nats_subscriptions.ts";
import { RetainingBroker } from "./retaining_broker.ts";
import { SharedAnswer } from "./shared_answer.ts";
import { systemClock, within } from "../transport/clock.ts";

export type * from "../topics/cluster/broker.ts";

/** The time between two pings, in milliseconds. Three without a pong close the connection. */
const PING_INTERVAL_MS = 5_000;
const RECONNECT_MS = 250;
const RECONNECT_JITTER_MS = 250;
/** NATS accepts lines of 4,096 bytes, and closes the connection for a longer subject. */
const MAX_PREFIX_LENGTH = 256;
/** The limit of JetStream. */
const MAX_REPLICAS = 5;
/** The time between two attempts to open the JetStream stream, in milliseconds. */
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
   * The beginning of the subjects, before a dot and the topic: words of letters, digits, `_` and `-`,
   * separated by dots, with at most 256 characters in all. Servers with different prefixes never receive each
   * other's messages, whatever the topics are: so the prefix is one token of the subject, with a colon for
   * each dot.
   *
   * @default {"sluice"}
   */
  prefix?: string | undefined;
  /**
   * How many servers of a cluster store the retained messages: 1 to 5; 3 is recommended. Default: that of
   * the existing stream, or 1.
   */
  replicas?: number | undefined;
  /**
   * More options for the client of the package `@nats-io/transport-node`, such as `tls`, `token`, `user` and
   * `pass`, or `authenticator`. By default, it pings every 5 seconds, closes the connection after three pings
   * without a pong, and reconnects within half a second.
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
 * Creates a broker that uses NATS, for one server. Topics are encoded as subjects: dots between two
 * characters separate tokens, letters, digits and `_ - / : @ + ~` stay, and any other character becomes `%`
 * and two hexadecimal digits for each byte of UTF-8. By default, NATS accepts messages of up to 1 MiB; a
 * larger one is dropped, and reported by `onEvent`.
 *
 * With {@linkcode HostOptions.resume}, messages are retained in one stream of JetStream
 * (`nats-server --jetstream`, 2.9 or newer), which is created, or updated if the options differ. Its subjects
 * are `prefix+kept.topic`. Its name is `prefix+kept` with `+` for each dot of the prefix and `=a` for `A`, such
 * as `sluice+kept`; past 255 characters, it ends with a hash. JetStream republishes the messages as
 * `prefix+live.topic`, to which servers subscribe. The user needs permissions for both, for the inbox, and for
 * `$JS.API.>`.
 *
 * A message is retained once JetStream has acknowledged it. If NATS is killed, none is lost; if the machine
 * crashes, those of the last two minutes may be lost, unless NATS has `sync_interval: always`, or there are
 * `replicas`. A message without an acknowledgement is published again; JetStream recognizes its id for as long
 * as the message is retained, at most for two minutes. `resume.totalSize` includes the overhead that JetStream
 * stores with each message. `resume.windowSize` limits the messages replayed to a client, not the stored ones.
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
 * @example Messages that are retained for two minutes, on three servers of a cluster
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
 * @throws {RangeError} If `replicas` is out of its range.
 * @throws {TypeError} If an option is unknown or of another type, or the prefix is not a subject.
 */
export function natsBroker(options: NatsBrokerOptions = {}): KeepingBroker {
  return new NatsBroker(options);
}

class NatsBroker extends RetainingBroker<NatsLog> implements KeepingBroker {
  readonly #options: NodeConnectionOptions;
  readonly #names: NatsNames;
  /** The address of NATS, for error messages. */
  readonly #server: string;
  readonly #replicas: number | undefined;
  readonly #subscriptions: NatsSubscriptions;
  /** Counts connects and disconnects, to recognize work for an earlier connection, which is dropped. */
  #turn = 0;
  #connection: NatsConnection | undefined;
  /** Resolves when the broker is closed, which ends a wait for the next connect attempt. */
  readonly #closing: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Resolves when NATS has processed everything that was written so far. */
  readonly #flush: SharedAnswer<void> = new SharedAnswer(() => this.#connected.flush());

  constructor(options: NatsBrokerOptions) {
    super();
    checkOptions("natsBroker", options, OPTIONS);
    const { servers = "127.0.0.1:4222", prefix = "sluice", replicas, client = {} } = options;
    const names = Array.isArray(servers) ? servers : [servers];
    if (names.length === 0 || !names.every((name) => typeof name === "string" && name !== "")) {
      throw invalidType("servers", '"host:port" or a non-empty array of those', servers);
    }
    const isSubject = typeof prefix === "string" && /^[\w-]+(?:\.[\w-]+)*$/.test(prefix);
    if (!isSubject || prefix.length > MAX_PREFIX_LENGTH) {
      const words = "words of letters, digits, _ and -, separated by dots";
      const limit = `with at most ${MAX_PREFIX_LENGTH} characters in all`;
      throw invalidType("prefix", `${words}, ${limit}`, prefix);
    }
    if (replicas !== undefined) checkInteger("replicas", replicas, 1, MAX_REPLICAS);
    checkObject("client", client);
    this.#names = new NatsNames(prefix);
    this.#server = `NATS at ${names.map(withoutUser).join(", ")}`;
    this.#replicas = replicas;
    this.#subscriptions = new NatsSubscriptions(
      (topic) => this.#names.toSubject(topic),
      (topic, message) => this.handler!.receiveMessage(topic, message.data),
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
      // Otherwise each request captures a stack trace.
      noAsyncTraces: true,
      // The server delivers its own messages by itself.
      noEcho: true,
      servers: names,
    };
  }

  async start(handler: BrokerHandler): Promise<void> {
    this.begin(handler);
    const natsPackage = await import("@nats-io/transport-node");
    if (this.keeping !== undefined) {
      this.log = new NatsLog({
        ...this.keeping,
        names: this.#names,
        stream: await this.#names.toStream(),
        replicas: this.#replicas,
        inboxPrefix: this.#options.inboxPrefix,
        natsPackage,
        onGone: (error) => this.#reopen(error),
        onError: (error) => this.#tellError(error),
      });
    }
    void this.#keepConnected(() => natsPackage.connect(this.#options));
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    this.#connected.publish(this.#names.toSubject(topic), message);
    await this.#flush.get();
  }

  append(topic: string, id: string, message: Uint8Array): Promise<void> {
    return this.kept.append(this.#connected, topic, id, message);
  }

  read(topic: string, after: Position | undefined): Promise<MissedMessages> {
    return this.kept.read(topic, after);
  }

  async subscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    if (isKept) this.kept.subscribe(this.#connected, topics);
    else this.#subscriptions.add(this.#connected, topics);
    await this.#flush.get();
  }

  async unsubscribe(topics: readonly string[], isKept: boolean = false): Promise<void> {
    if (isKept) this.kept.unsubscribe(topics);
    else this.#subscriptions.delete(topics);
    await this.#flush.get();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.log?.close();
    this.#closing.resolve();
    await this.#connection?.close();
  }

  get #connected(): NatsConnection {
    if (this.#connection === undefined) throw new Error(`Not connected to ${this.#server}`);
    return this.#connection;
  }

  #tellLost(what: string, cause: unknown): void {
    if (!this.isClosed) this.handler!.receiveLost(toBrokerError(what, cause));
  }

  #tellError(error: unknown): void {
    if (!this.isClosed) {
      this.handler!.receiveError(toBrokerError(`Cannot use ${this.#server}`, error));
    }
  }

  /** Connects until the broker is closed: the client gives up if its first attempt fails, and on some errors. */
  async #keepConnected(connect: () => Promise<NatsConnection>): Promise<void> {
    while (!this.isClosed) {
      try {
        const connection = await connect();
        if (this.isClosed) return await connection.close();
        this.#connection = connection;
        this.#subscriptions.renew(connection);
        this.log?.renew(connection);
        void this.#open(connection);
        await this.#watch(connection);
      } catch (error) {
        this.#tellLost(`Cannot connect to ${this.#server}`, error);
      }
      this.#suspend();
      this.#connection = undefined;
      const delayMs = RECONNECT_MS + Math.random() * RECONNECT_JITTER_MS;
      await within(this.#closing.promise, delayMs, systemClock, undefined);
    }
  }

  /** Reports changes of a connection's status until it is closed. */
  async #watch(connection: NatsConnection): Promise<void> {
    let lastError: unknown;
    for await (const status of connection.status()) {
      if (this.isClosed) return;
      if (status.type === "error") {
        lastError = status.error;
        this.#tellError(status.error);
      } else if (status.type === "disconnect") {
        this.#suspend();
        const reason = lastError ?? new Error(`${status.server} closed it`);
        this.#tellLost(`The connection to ${this.#server} was lost`, reason);
      } else if (status.type === "reconnect") {
        lastError = undefined;
        void this.#open(connection);
      }
    }
    const error = await connection.closed() ?? new Error("it was closed");
    this.#tellLost(`The connection to ${this.#server} was lost`, error);
  }

  /** Opens the message store, if there is one, in as many attempts as it takes; then reports the connection. */
  async #open(connection: NatsConnection): Promise<void> {
    const turn = ++this.#turn;
    while (this.log !== undefined) {
      try {
        await this.log.open(connection);
        break;
      } catch (error) {
        if (turn !== this.#turn || this.isClosed) return;
        this.#tellLost(`Cannot use ${this.#server}`, error);
        await within(this.#closing.promise, OPEN_MS, systemClock, undefined);
        if (turn !== this.#turn) return;
      }
    }
    if (turn === this.#turn && !this.isClosed) this.handler!.receiveConnected();
  }

  #suspend(): void {
    this.#turn++;
    this.log?.suspend();
  }

  /** Opens the message store again after its stream was deleted or replaced. */
  #reopen(error: Error): void {
    if (this.#connection === undefined || this.isClosed) return;
    this.#tellLost(`Cannot use ${this.#server}`, error);
    void this.#open(this.#connection);
  }
}
