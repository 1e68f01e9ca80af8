import type { Address, ByteChannel } from "../transport/byte_channel.ts";
import { IGNORE_EVENTS } from "../transport/ignore_events.ts";
import type { CloseInfo, Connection, Sendable } from "../connection/connection.ts";
import { callHook, reportError } from "../hooks.ts";
import type { BudgetMember } from "../connection/budget.ts";
import type { ConnectionCore, ConnectionOwner } from "../connection/core.ts";
import { openConnection } from "../connection/open_connection.ts";
import { coreOf } from "../connection/web_socket_connection.ts";
import {
  type ServerConnection,
  ServerWebSocketConnection,
  subscriberOf,
} from "./server_connection.ts";
import { HandshakeError } from "../errors.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import {
  checkBoolean,
  checkDuration,
  checkFiniteDuration,
  checkOptions,
  checkString,
  invalidType,
  MAX_DURATION_MS,
  type Names,
  show,
} from "../checks.ts";
import type { ResumeNegotiator } from "../resume/resume_negotiator.ts";
import { checkCloseStatus, type CloseStatus } from "../protocol/close_payload.ts";
import { assertMessage } from "../protocol/protocol.ts";
import type { BrokerEvent } from "../topics/cluster/broker.ts";
import type { PresentMember } from "../topics/presence/options.ts";
import { queueMicrotask } from "../timers.ts";
import type { Topics, TopicsSettings } from "../topics/topics.ts";
import type { ConnectionLimits } from "./connection_limits.ts";
import type { ConnectionHost, PublishOptions, ShutdownOptions } from "./connection_host.ts";
import type { AcceptedUpgrade, HandshakeOwner } from "./handshake_owner.ts";
import { HandshakeSlots } from "./handshake_slots.ts";
import type { HostSettings } from "./host_settings.ts";
import { MemoryBudget } from "./memory_budget.ts";
import { loadHttp } from "./load_http.ts";
import type { ServerParts } from "./load_parts.ts";
import { OpeningHandshake } from "./opening_handshake.ts";
import { type AcceptSettings, type Handler, largestPiece } from "./options.ts";
import { SpreadClose } from "./spread_close.ts";
import { ServerCounters, type ServerEvent, type ServerStats } from "./stats.ts";

const PUBLISH_OPTIONS: Names<PublishOptions> = { except: true, compress: true, key: true };
const MADE_ROOM = new HandshakeError(
  503,
  "The response makes room for another client: maxHandshakes are in progress",
);
const SHUTTING_DOWN = new HandshakeError(503, "The server is shutting down");
const SHUTDOWN_OPTIONS: Names<ShutdownOptions> = {
  closeCode: true,
  reason: true,
  spreadMs: true,
  timeoutMs: true,
  keepListening: true,
};

function checkConnection(name: string, conn: unknown): void {
  if (conn === undefined || coreOf(conn) !== undefined) return;
  throw invalidType(name, "a Connection", conn);
}

/**
 * The implementation of {@linkcode ConnectionHost}: what is to be known of all handshakes and
 * connections together. A subclass brings the channels.
 */
export abstract class WebSocketHost<Data>
  implements ConnectionHost<Data>, HandshakeOwner<Data>, ConnectionOwner {
  readonly #settings: AcceptSettings<Data, ServerConnection<Data>>;
  readonly #handler: Handler<Data> | undefined;
  readonly #connectionLimits: ConnectionLimits;
  readonly #slots: HandshakeSlots;
  readonly budget: MemoryBudget | undefined;
  readonly compression: DeflateNegotiator | undefined;
  readonly resume: ResumeNegotiator | undefined;
  readonly #topicsSettings: TopicsSettings;
  #topics: Topics | undefined;
  loading: Promise<void> | undefined;
  readonly #onEvent: HostSettings<Data>["onEvent"];
  readonly #counters: ServerCounters = new ServerCounters();
  readonly #finished = Promise.withResolvers<void>();
  readonly #handshakes: Set<OpeningHandshake<Data>> = new Set();
  /** Those that have ended, while their hooks have what they received. */
  readonly #endedHandshakes: Set<OpeningHandshake<Data>> = new Set();
  readonly #connections: Set<ServerWebSocketConnection<Data>> = new Set();
  /** The memory that each of them holds. */
  readonly #members: Set<BudgetMember> = new Set();
  #isShuttingDown = false;
  #isStopped = false;
  #shutdownTimer: unknown;
  /** When what is left is dropped, once it is shutting down. */
  #shutdownEndAt = Infinity;
  /** Resolves when nothing listens any more; set once that is to be. */
  #stopped: Promise<void> | undefined;
  #spreadClose: SpreadClose | undefined;
  #removeSignal: (() => void) | undefined;

  constructor(settings: HostSettings<Data>, parts: ServerParts) {
    const { accept, memoryBudget } = settings;
    this.#settings = accept;
    this.#handler = settings.handler;
    this.#connectionLimits = settings.connectionLimits;
    this.#slots = new HandshakeSlots(settings.maxHandshakes, accept.connection.clock);
    this.compression = parts.compression;
    this.resume = parts.resume;
    if (memoryBudget !== undefined) {
      const { clock } = accept.connection;
      const members = [this.#members, this.#handshakes, this.#endedHandshakes];
      this.budget = new MemoryBudget(memoryBudget, largestPiece(accept), members, clock);
    }
    this.#onEvent = settings.onEvent;
    this.#topicsSettings = {
      presence: settings.presence,
      broker: settings.broker,
      brokerQueueSize: settings.brokerQueueSize,
      resume: settings.resume,
      clock: accept.connection.clock,
      turns: accept.connection.turns,
      schedule: (flush) => this.afterArrivals(flush),
      onMemoryChange: (change) => this.budget?.count(change),
      onError: (error) => reportError(accept.onError, error),
      onBrokerEvent: (event) => this.#tellOfBroker(event),
    };
  }

  /** Brings no more channels, but for those that are on their way already. Called once. */
  protected abstract stop(): Promise<void>;

  /** Calls back when everything that has arrived by now has been delivered, as far as the runtime knows. */
  protected afterArrivals(callback: () => void): void {
    queueMicrotask(callback);
  }

  get connections(): ReadonlySet<ServerConnection<Data>> {
    return this.#connections;
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): void {
    if (options !== undefined) {
      checkOptions("publish", options, PUBLISH_OPTIONS);
      checkBoolean("compress", options.compress);
      checkString("key", options.key);
      checkConnection("except", options.except);
    }
    if (typeof topic !== "string") {
      throw new TypeError(`Cannot publish to ${show(topic)}: a topic is a string`);
    }
    assertMessage(data);
    const { compress, key, except } = options ?? {};
    // No connection can have subscribed before they are loaded.
    this.#topics?.publish({ topic, data, compress, key, except: subscriberOf(except) });
  }

  subscriberCount(topic: string): number {
    return this.#topics?.subscriberCount(topic) ?? 0;
  }

  async presence(topic: string): Promise<PresentMember[]> {
    if (typeof topic !== "string") {
      throw new TypeError(`Cannot tell who is in ${show(topic)}: a topic is a string`);
    }
    return await this.#topics?.listMembers(topic) ?? [];
  }

  stats(): ServerStats {
    const handshakes = [...this.#handshakes, ...this.#endedHandshakes];
    const topics = this.#topics?.stats();
    return this.#counters.stats(this.#connections, handshakes, this.#slots.size, topics);
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    checkOptions("shutdown", options, SHUTDOWN_OPTIONS);
    const { closeCode = 1001, reason = "", spreadMs = 0, timeoutMs = 5_000 } = options;
    checkCloseStatus({ closeCode, reason });
    checkFiniteDuration("spreadMs", spreadMs, 0);
    checkDuration("timeoutMs", timeoutMs);
    checkBoolean("keepListening", options.keepListening);
    // The first call stops listening by default; later ones leave it as it is.
    const { keepListening = this.#isShuttingDown } = options;
    // First, so that clients that come from now on can come to another server.
    if (!keepListening) this.#stopListening();
    if (!this.#isShuttingDown) {
      this.#startShutdown({ closeCode, reason });
      this.#endWithin(spreadMs, timeoutMs);
      // Who listens may shut down again.
      for (const handshake of this.#handshakes) handshake.tellShutdown(SHUTTING_DOWN);
    } else if (options.spreadMs !== undefined || options.timeoutMs !== undefined) {
      this.#endWithin(spreadMs, timeoutMs);
    }
    this.#finishIfDone();
    return this.finished;
  }

  #startShutdown(status: CloseStatus): void {
    this.#isShuttingDown = true;
    this.#removeSignal?.();
    this.#spreadClose = new SpreadClose(this.#connections, status, this.#settings.connection.clock);
    this.#dropIdle();
  }

  /** Drops handshakes in which no request has begun: no client waits for an answer. */
  #dropIdle(): void {
    for (const handshake of this.#handshakes) if (!handshake.hasBegun) handshake.drop();
  }

  /** Closes what is left within `spreadMs`, and drops it `timeoutMs` later, unless that is later than it was. */
  #endWithin(spreadMs: number, timeoutMs: number): void {
    const { clock } = this.#settings.connection;
    const delayMs = Math.min(spreadMs + timeoutMs, MAX_DURATION_MS);
    const endAt = timeoutMs === Infinity ? Infinity : clock.now() + delayMs;
    if (this.#isStopped || endAt > this.#shutdownEndAt) return;
    this.#shutdownEndAt = endAt;
    clock.clearTimeout(this.#shutdownTimer);
    if (endAt !== Infinity) {
      this.#shutdownTimer = clock.setTimeout(() => this.#dropAll(), delayMs);
    }
    // Last, since what listens to `conn.signal` may end connections, and shut down again.
    this.#spreadClose!.close(spreadMs);
  }

  #stopListening(): Promise<void> {
    // Some may have been on their way.
    return this.#stopped ??= this.stop().then(() => this.#dropIdle());
  }

  /** Whether it is to be left to others to take what comes from now on. */
  protected get hasStoppedListening(): boolean {
    return this.#stopped !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  // ---- For those who bring channels ----

  /** Starts what has to be there before the server listens: the broker, and what retains messages. */
  protected async startTopics(): Promise<void> {
    const { broker, resume } = this.#topicsSettings;
    if (broker === undefined && resume === undefined) return;
    await this.#loadTopics();
    await this.#topics!.start();
  }

  /**
   * Loads what any connection may need at any moment: topics, since `subscribe` is synchronous, and refusals,
   * since there may be no file descriptor left when one is due. The server listens already, and the first
   * handshakes wait.
   */
  protected async loadRest(): Promise<void> {
    this.loading = Promise.all([this.#loadTopics(), loadHttp()]).then(() => {});
    await this.loading;
    this.loading = undefined;
  }

  async #loadTopics(): Promise<Topics> {
    if (this.#topics === undefined) {
      const { Topics } = await import("../topics/topics.ts");
      this.#topics = await Topics.create(this.#topicsSettings);
    }
    return this.#topics;
  }

  /** Closes the topics, after anything else. */
  protected async closeTopics(): Promise<void> {
    try {
      await this.#topics?.close();
    } catch (error) {
      reportError(this.#settings.onError, error);
    }
  }

  /**
   * Begins an opening handshake on a channel. If there are as many as there may be, one that waits
   * for its peer is dropped for it.
   *
   * @param secure Whether the channel is a secured one.
   * @returns The handshake; `undefined` if none made room, and the channel was aborted.
   */
  protected startHandshake(
    channel: ByteChannel,
    secure: boolean,
  ): OpeningHandshake<Data> | undefined {
    const { remoteAddress } = channel;
    const slot = this.#slots.take(remoteAddress, () => this.#dropFor(handshake, remoteAddress));
    if (slot === undefined) {
      channel.handler = IGNORE_EVENTS;
      channel.abort();
      this.tellDrop(remoteAddress);
      return undefined;
    }
    const handshake = new OpeningHandshake(channel, secure, this.#settings, this, slot);
    this.#handshakes.add(handshake);
    return handshake;
  }

  /** Takes a slot for a TLS handshake, as a listener asks for it. */
  protected startTlsHandshake(remote: Address, drop: () => void): (() => void) | undefined {
    const slot = this.#slots.take(remote, () => {
      drop();
      this.tellDrop(remote);
    });
    if (slot === undefined) this.tellDrop(remote);
    return slot && (() => slot.leave());
  }

  /** Aborts a handshake whose slot is given to another. If it was answered, it is reported as such already. */
  #dropFor(handshake: OpeningHandshake<Data>, remote: Address): void {
    const { isAnswered } = handshake;
    handshake.drop(MADE_ROOM);
    if (!isAnswered) this.tellDrop(remote);
  }

  /** Shuts down when `signal` aborts, or at once if it has. */
  protected shutDownOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const shutDown = () => void this.shutdown();
    this.#removeSignal = () => signal.removeEventListener("abort", shutDown);
    if (signal.aborted) shutDown();
    else signal.addEventListener("abort", shutDown);
  }

  // ---- The owner of handshakes ----

  refusal(isUpgrade: boolean, remote: Address): HandshakeError | undefined {
    if (this.#isShuttingDown) return SHUTTING_DOWN;
    return isUpgrade ? this.#connectionLimits.refusal(remote) : undefined;
  }

  acceptUpgrade(handshake: OpeningHandshake<Data>, accepted: AcceptedUpgrade<Data>): void {
    const { connection, callbacks } = this.#settings;
    this.#handshakes.delete(handshake);
    openConnection({
      ...accepted,
      role: "server",
      settings: connection,
      callbacks,
      owner: this,
      createConnection: (core) => new ServerWebSocketConnection(core, accepted.info, this.#topics!),
      start: this.#handler,
    });
  }

  addConnection(core: ConnectionCore, conn: ServerWebSocketConnection<Data>): void {
    this.#connections.add(conn);
    this.#members.add(core.memory);
    this.#connectionLimits.add(core.channel.remoteAddress);
    this.#counters.countOpen();
  }

  connectionOpened(conn: ServerWebSocketConnection<Data>): void {
    this.#tell({ type: "open", conn });
  }

  endHandshake(
    handshake: OpeningHandshake<Data>,
    refusal: HandshakeError | undefined,
    remoteAddress: Address,
  ): void {
    this.#handshakes.delete(handshake);
    if (handshake.heldSize > 0) this.#endedHandshakes.add(handshake);
    if (refusal !== undefined) {
      const { status, message } = refusal;
      this.#counters.countRefusal(status);
      this.#tell({ type: "refuse", status, reason: message, remoteAddress });
    }
    this.#finishIfDone();
  }

  tellDrop(remoteAddress: Address): void {
    this.#counters.countDrop();
    this.#tell({ type: "drop", remoteAddress });
  }

  forgetHandshake(handshake: OpeningHandshake<Data>): void {
    this.#endedHandshakes.delete(handshake);
  }

  // ---- The owner of connections ----

  reportError(error: unknown, conn: Connection): void {
    reportError(this.#settings.onError, error, conn as ServerConnection<Data>);
  }

  removeConnection({ conn, memory }: ConnectionCore, info: CloseInfo): void {
    this.#connections.delete(conn as ServerWebSocketConnection<Data>);
    this.#members.delete(memory);
    this.#counters.countClose(conn, info);
    this.#tell({ type: "close", conn: conn as ServerConnection<Data>, info });
    this.#connectionLimits.remove(conn.remoteAddress);
    this.#finishIfDone();
  }

  #tell(event: ServerEvent<Data>): void {
    const onEvent = this.#onEvent;
    if (onEvent === undefined) return;
    callHook(
      () => onEvent(event),
      (error) => reportError(this.#settings.onError, error),
    );
  }

  #tellOfBroker(event: BrokerEvent): void {
    if (this.#onEvent !== undefined) this.#tell(event);
    else if ("error" in event && event.error !== undefined) {
      reportError(this.#settings.onError, event.error);
    }
  }

  #dropAll(): void {
    for (const conn of this.#connections) conn.abort();
    for (const handshake of this.#handshakes) handshake.drop(SHUTTING_DOWN);
  }

  #finishIfDone(): void {
    if (!this.#isShuttingDown || this.#isStopped) return;
    if (this.#connections.size > 0 || this.#handshakes.size > 0) return;
    this.#isStopped = true;
    this.#settings.connection.clock.clearTimeout(this.#shutdownTimer);
    this.#spreadClose?.stop();
    this.#stopListening().then(() => {
      // What came meanwhile.
      this.#dropAll();
      return this.closeTopics();
    }).then(() => {
      this.#finished.resolve();
    });
  }
}
