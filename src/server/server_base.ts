import type { CloseInfo, Connection, Sendable } from "../connection/connection.ts";
import type { ConnectionCore, ConnectionOwner } from "../connection/core.ts";
import { openConnection } from "../connection/open_connection.ts";
import type { HandshakeError } from "../errors.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import { callHook, reportError } from "../hooks.ts";
import { countEach, LinkedList } from "../linked_list.ts";
import { queueMicrotask } from "../timers.ts";
import type { PresentMember } from "../topics/presence/options.ts";
import type { Topics } from "../topics/topics.ts";
import type { Address, ByteChannel } from "../transport/byte_channel.ts";
import { IGNORE_EVENTS } from "../transport/ordered_channel.ts";
import type { ConnectionHost, PublishOptions, ShutdownOptions } from "./connection_host.ts";
import type { AcceptedUpgrade, HandshakeOwner } from "./handshake_owner.ts";
import { HandshakeSlots } from "./handshake_slots.ts";
import { rest, type ServerParts } from "./load_parts.ts";
import { MemoryBudget } from "./memory_budget.ts";
import { OpeningHandshake } from "./opening_handshake.ts";
import {
  type ServerConnection,
  ServerWebSocketConnection,
  subscriberOf,
} from "./server_connection.ts";
import { countOne, ServerCounters } from "./server_counters.ts";
import type { ServerSettings } from "./settings.ts";
import type { Shutdown } from "./shutdown.ts";
import type { ServerEvent, ServerStats } from "./stats.ts";

/**
 * What servers have in common, whether they listen themselves or are mounted: all handshakes and connections,
 * and what is to be known of them together. A subclass brings the channels.
 */
export abstract class ServerBase<Data>
  implements ConnectionHost<Data>, HandshakeOwner<Data>, ConnectionOwner {
  readonly #settings: ServerSettings<Data>;
  readonly #slots: HandshakeSlots;
  readonly budget: MemoryBudget | undefined;
  readonly compression: DeflateNegotiator | undefined;
  readonly resume: ServerParts["resume"];
  /** Set by `start`. */
  #topics!: Topics;
  readonly #counters: ServerCounters = new ServerCounters();
  readonly #finished = Promise.withResolvers<void>();
  readonly #handshakes: LinkedList<OpeningHandshake<Data>> = new LinkedList();
  /** Those that have ended, while their hooks have what they received. */
  readonly #endedHandshakes: Set<OpeningHandshake<Data>> = new Set();
  /** The inside of each open connection. */
  readonly #cores: LinkedList<ConnectionCore> = new LinkedList();
  readonly #connections = countEach(this.#cores, ({ conn }) => conn as ServerConnection<Data>);
  /** The same, if the program has asked for it. */
  #connectionSet: Set<ServerConnection<Data>> | undefined;
  #shutdown: Shutdown | undefined;
  #removeSignal: (() => void) | undefined;

  constructor(settings: ServerSettings<Data>, parts: ServerParts) {
    const { memoryBudget, largestPiece, maxHandshakes } = settings;
    const { clock } = settings.accept.connection;
    this.#settings = settings;
    this.#slots = new HandshakeSlots(maxHandshakes, clock);
    this.compression = parts.compression;
    this.resume = parts.resume;
    if (memoryBudget !== undefined) {
      const memories = countEach(this.#cores, ({ memory }) => memory);
      const members = [memories, this.#handshakes, this.#endedHandshakes];
      this.budget = new MemoryBudget(memoryBudget, largestPiece, members, clock);
    }
  }

  /** Brings no more channels, but for those that are on their way already. Called once. */
  protected abstract stop(): Promise<void>;

  /** Calls back when everything that has arrived by now has been delivered, as far as the runtime knows. */
  protected afterArrivals(callback: () => void): void {
    queueMicrotask(callback);
  }

  // ---- The program ----

  get connections(): ReadonlySet<ServerConnection<Data>> {
    return this.#connectionSet ??= new Set(this.#connections);
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): void {
    rest.publish(this.#topics, subscriberOf, topic, data, options);
  }

  subscriberCount(topic: string): number {
    return this.#topics.subscriberCount(topic);
  }

  presence(topic: string): Promise<PresentMember[]> {
    return rest.listMembers(this.#topics, topic);
  }

  stats(): ServerStats {
    const handshakes = [...this.#handshakes, ...this.#endedHandshakes];
    const topics = this.#topics.stats();
    return rest.sumUp(this.#counters, this.#connections, handshakes, this.#slots.size, topics);
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    rest.checkShutdown(options);
    if (this.#shutdown !== undefined) this.#shutdown.hasten(options);
    else {
      this.#removeSignal?.();
      this.#shutdown = new rest.Shutdown({
        clock: this.#settings.accept.connection.clock,
        connections: this.#connections,
        handshakes: this.#handshakes,
        stop: () => this.stop(),
        finish: async () => {
          await this.closeTopics();
          this.#finished.resolve();
        },
      }, options);
      this.#shutdown.begin(options);
    }
    return this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  // ---- Those who bring channels ----

  /** Starts what has to be there before anything is accepted: topics, the broker, what retains messages. */
  protected async start(): Promise<void> {
    this.#topics = await rest.createTopics(
      this.#settings,
      (flush) => this.afterArrivals(flush),
      (change) => this.budget?.count(change),
    );
    await this.#topics.start();
  }

  /** Closes the topics, after anything else. */
  protected async closeTopics(): Promise<void> {
    try {
      await this.#topics.close();
    } catch (error) {
      this.#report(error);
    }
  }

  /** Shuts down when the option `signal` aborts, or at once if it has. */
  protected watchSignal(): void {
    const { signal } = this.#settings;
    if (signal === undefined) return;
    this.#removeSignal = rest.onAbort(signal, () => void this.shutdown());
  }

  /** Whether it is to be left to others to take what comes from now on. */
  protected get hasStoppedListening(): boolean {
    return this.#shutdown?.hasStoppedListening ?? false;
  }

  /**
   * Begins an opening handshake on a channel. If there are as many as there may be, one that waits for its peer
   * is dropped for it; `undefined` if none made room, and the channel was aborted.
   */
  protected startHandshake(
    channel: ByteChannel,
    secure: boolean,
  ): OpeningHandshake<Data> | undefined {
    const { remoteAddress } = channel;
    const slot = this.#slots.take(remoteAddress, () => this.#evict(handshake, remoteAddress));
    if (slot === undefined) {
      channel.handler = IGNORE_EVENTS;
      channel.abort();
      this.tellDrop(remoteAddress);
      return undefined;
    }
    const handshake = new OpeningHandshake(channel, secure, this.#settings.accept, this, slot);
    handshake.place = this.#handshakes.add(handshake);
    return handshake;
  }

  protected startTlsHandshake(remote: Address, drop: () => void): (() => void) | undefined {
    const slot = this.#slots.take(remote, () => {
      drop();
      this.tellDrop(remote);
    });
    if (slot === undefined) this.tellDrop(remote);
    return slot && (() => slot.leave());
  }

  /** Aborts a handshake whose slot is given to another. If it was answered, it is reported as such already. */
  #evict(handshake: OpeningHandshake<Data>, remote: Address): void {
    const { isAnswered } = handshake;
    handshake.drop(rest.noRoom());
    if (!isAnswered) this.tellDrop(remote);
  }

  // ---- The owner of handshakes ----

  refusal(isUpgrade: boolean, remote: Address): HandshakeError | undefined {
    if (this.#shutdown !== undefined) return this.#shutdown.refusal;
    return isUpgrade ? this.#settings.connectionLimits?.refusal(remote) : undefined;
  }

  acceptUpgrade(handshake: OpeningHandshake<Data>, accepted: AcceptedUpgrade<Data>): void {
    const { handler, accept: { connection, callbacks } } = this.#settings;
    this.#handshakes.delete(handshake.place!);
    openConnection({
      ...accepted,
      role: "server",
      settings: connection,
      callbacks,
      owner: this,
      createConnection: (core) => new ServerWebSocketConnection(core, accepted.info, this.#topics),
      start: handler,
    });
  }

  addConnection(core: ConnectionCore, conn: ServerWebSocketConnection<Data>): void {
    core.place = this.#cores.add(core);
    this.#connectionSet?.add(conn);
    this.#settings.connectionLimits?.add(core.channel.remoteAddress);
    this.#counters.accepted++;
  }

  connectionOpened(conn: ServerWebSocketConnection<Data>): void {
    this.#tell({ type: "open", conn });
  }

  endHandshake(
    handshake: OpeningHandshake<Data>,
    refusal: HandshakeError | undefined,
    remoteAddress: Address,
  ): void {
    this.#handshakes.delete(handshake.place!);
    if (handshake.heldSize > 0) this.#endedHandshakes.add(handshake);
    if (refusal !== undefined) {
      const { status, message } = refusal;
      countOne(this.#counters.refused, status);
      this.#tell({ type: "refuse", status, reason: message, remoteAddress });
    }
    this.#shutdown?.finishIfDone();
  }

  tellDrop(remoteAddress: Address): void {
    this.#counters.dropped++;
    this.#tell({ type: "drop", remoteAddress });
  }

  forgetHandshake(handshake: OpeningHandshake<Data>): void {
    this.#endedHandshakes.delete(handshake);
  }

  // ---- The owner of connections ----

  reportError(error: unknown, conn: Connection): void {
    this.#report(error, conn as ServerConnection<Data>);
  }

  removeConnection({ conn, place }: ConnectionCore, info: CloseInfo): void {
    this.#cores.delete(place!);
    this.#connectionSet?.delete(conn as ServerConnection<Data>);
    countOne(this.#counters.closed, info.closeCode);
    this.#counters.addTraffic(this.#counters.ended, conn);
    this.#tell({ type: "close", conn: conn as ServerConnection<Data>, info });
    this.#settings.connectionLimits?.remove(conn.remoteAddress);
    this.#shutdown?.finishIfDone();
  }

  #report(error: unknown, conn?: ServerConnection<Data>): void {
    reportError(this.#settings.accept.onError, error, conn);
  }

  #tell(event: ServerEvent<Data>): void {
    const { onEvent } = this.#settings;
    if (onEvent !== undefined) callHook(() => onEvent(event), (error) => this.#report(error));
  }
}
