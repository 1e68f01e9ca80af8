import type { Clock } from "../../transport/clock.ts";
import { BrokerStore, type BrokerStoreOwner } from "../retention/broker_store.ts";
import type { ResumeSettings } from "../retention/memory_store.ts";
import type { Broker, BrokerEvent, BrokerHandler, BrokerStats, KeepingBroker } from "./broker.ts";
import { decodeBrokerMessage, encodeBrokerMessage, ID_LENGTH } from "./broker_message.ts";
import { checkBrokerTopic, checkWellFormed, PRESENCE_PREFIX } from "./broker_names.ts";
import { BrokerOutbox } from "./broker_outbox.ts";
import { BrokerSubscriptions } from "./broker_subscriptions.ts";
import { DoublingTally } from "./doubling_tally.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import type { Publication } from "../fan_out/publication.ts";
import { type PresenceBrokerHandler, PresenceGroup, type PresenceLink } from "../presence/group.ts";
import type { Presence } from "../presence/presence.ts";

/** How long what still waits may take when the server ends, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The most bytes about presence that are on their way to the broker; what is more is lost, and made good later. */
const PRESENCE_WINDOW = 1024 * 1024;

/** The options of a server's part in a broker. */
export interface BrokerLinkSettings {
  readonly broker: Broker;
  /** The most bytes that wait for the broker. */
  readonly queueSize: number;
  /** Which messages are retained, if any are. */
  readonly resume: ResumeSettings | undefined;
  readonly clock: Clock;
  readonly tell: (event: BrokerEvent) => void;
}

/** A server's part in a broker: what it publishes goes there, and what others publish comes from there. */
export class BrokerLink implements BrokerHandler, PresenceLink, BrokerStoreOwner {
  readonly #broker: Broker;
  readonly #fanOut: FanOut;
  readonly #clock: Clock;
  readonly #tell: (event: BrokerEvent) => void;
  readonly id: Uint8Array = crypto.getRandomValues(new Uint8Array(ID_LENGTH));
  readonly #outbox: BrokerOutbox;
  readonly #subscriptions: BrokerSubscriptions;
  /** Retains messages, if any are to be. */
  readonly store: BrokerStore | undefined;
  /** Takes what other servers tell of presence. */
  readonly #presence: PresenceBrokerHandler;
  readonly #drops: DoublingTally;
  readonly #malformed: DoublingTally;
  #state: "new" | "lost" | "connected" | "closed" = "new";
  #wasConnected = false;
  #published = 0;
  #received = 0;
  #dropCount = 0;
  #dropError: unknown;
  #malformedCount = 0;
  #malformedTopic = "";
  #malformedReason = "";
  #presenceInFlight = 0;

  constructor(options: BrokerLinkSettings, fanOut: FanOut, presence: Presence) {
    const { broker, queueSize, resume, clock, tell } = options;
    this.#broker = broker;
    this.#fanOut = fanOut;
    this.#clock = clock;
    this.#tell = tell;
    this.#drops = new DoublingTally((messages) => {
      this.#tell({ type: "broker", status: "dropped", messages, error: this.#dropError });
    });
    this.#malformed = new DoublingTally((messages) => {
      const [topic, reason] = [this.#malformedTopic, this.#malformedReason];
      this.#tell({ type: "broker", status: "malformed", messages, topic, reason });
    });
    this.#outbox = new BrokerOutbox(
      broker,
      queueSize,
      (error) => this.countDrop(error),
      () => this.endDrops(),
    );
    this.#subscriptions = new BrokerSubscriptions(
      broker,
      clock,
      (error) => this.receiveError(error),
      (topics) => {
        const own = topics.filter((topic) => topic.startsWith(PRESENCE_PREFIX));
        if (own.length > 0) this.#presence.receiveSubscribed(own);
      },
    );
    this.#presence = presence.connect((id, ttlMs, tellChanges) =>
      new PresenceGroup(this, clock, ttlMs, id, tellChanges)
    );
    if (resume !== undefined) {
      const keeping = broker as KeepingBroker;
      this.store = new BrokerStore(keeping, resume, queueSize, fanOut, clock, this);
    }
  }

  /** Begins to connect. */
  start(): Promise<void> {
    return this.#broker.start(this);
  }

  /**
   * Publishes a message, here and to other servers.
   *
   * @throws {RangeError} If the topic is too long.
   * @throws {TypeError} If the topic or the key can't be used with a broker.
   */
  publish(publication: Publication): void {
    const { topic, data, compress, key = "" } = publication;
    checkBrokerTopic(topic);
    checkWellFormed("key", key);
    if (this.#state === "closed") return;
    this.#published++;
    if (this.store?.isRetained(topic)) {
      this.store.publish(publication);
    } else {
      this.#outbox.publish(topic, encodeBrokerMessage(this.id, { data, compress, key }));
      this.#fanOut.publish(publication);
    }
  }

  /** Subscribes to a topic, which has its first subscriber here. */
  addTopic(topic: string): void {
    checkBrokerTopic(topic);
    if (this.store?.isRetained(topic)) this.store.addTopic(topic);
    else this.#subscriptions.add(topic);
  }

  /** Unsubscribes from a topic, which has no subscriber here any more. */
  deleteTopic(topic: string): void {
    if (this.store?.isRetained(topic)) this.store.deleteTopic(topic);
    else this.#subscriptions.delete(topic);
  }

  addPresenceTopic(brokerTopic: string): void {
    this.#subscriptions.add(brokerTopic);
  }

  deletePresenceTopic(brokerTopic: string): void {
    this.#subscriptions.delete(brokerTopic);
  }

  async sendPresence(brokerTopic: string, text: string): Promise<void> {
    if (this.#state !== "connected") throw new Error("The broker is away");
    const bytes = encodeBrokerMessage(this.id, { data: text });
    if (this.#presenceInFlight > PRESENCE_WINDOW) throw new Error("The broker is too slow");
    this.#presenceInFlight += bytes.length;
    try {
      await this.#broker.publish(brokerTopic, bytes);
    } finally {
      this.#presenceInFlight -= bytes.length;
    }
  }

  /** Waits a moment for what still waits, and closes the broker. */
  async close(): Promise<void> {
    const goodbye = this.#presence.close();
    if (this.#state === "connected") {
      const timeout = Promise.withResolvers<void>();
      const timer = this.#clock.setTimeout(timeout.resolve, CLOSE_TIMEOUT_MS);
      const sent = Promise.all([this.#outbox.whenEmpty(), this.store?.whenEmpty(), goodbye]);
      await Promise.race([sent, timeout.promise]);
      this.#clock.clearTimeout(timer);
    }
    this.#state = "closed";
    this.#disconnect();
    this.store?.close();
    await this.#broker.close();
  }

  /** Tells what passed through the broker. */
  stats(): BrokerStats {
    return {
      connected: this.#state === "connected",
      published: this.#published,
      received: this.#received,
      dropped: this.#dropCount,
      malformed: this.#malformedCount,
      waitingSize: this.#outbox.size + (this.store?.waitingSize ?? 0),
    };
  }

  // ---- What the broker tells ----

  receiveMessage(topic: string, bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    const message = decodeBrokerMessage(this.id, bytes);
    if (message === undefined) return;
    if ("reason" in message) {
      this.countMalformed(topic, message.reason);
      return;
    }
    if (topic.startsWith(PRESENCE_PREFIX)) {
      try {
        this.#presence.receiveMessage(topic, message.data);
      } catch (error) {
        this.countMalformed(topic, (error as Error).message);
      }
      return;
    }
    this.#received++;
    const { data, compress, key } = message;
    this.#fanOut.publish({ topic, data, compress, key });
  }

  receiveConnected(): void {
    if (this.#state === "connected" || this.#state === "closed") return;
    this.#state = "connected";
    const status = this.#wasConnected ? "reconnected" : "connected";
    this.#wasConnected = true;
    this.#subscriptions.connect();
    this.#outbox.connect();
    this.store?.connect();
    this.#presence.receiveConnected();
    this.#tell({ type: "broker", status });
  }

  receiveLost(error: unknown): void {
    if (this.#state === "lost" || this.#state === "closed") return;
    this.#state = "lost";
    this.#disconnect();
    this.#presence.receiveLost();
    this.#tell({ type: "broker", status: "lost", error });
  }

  receiveError(error: unknown): void {
    if (this.#state !== "closed") this.#tell({ type: "broker", status: "error", error });
  }

  // ---- What is counted ----

  countDrop(error: unknown): void {
    this.#dropCount++;
    this.#dropError = error;
    this.#drops.add();
  }

  endDrops(): void {
    this.#drops.end();
  }

  countMalformed(topic: string, reason: string): void {
    this.#malformedCount++;
    this.#malformedTopic = topic;
    this.#malformedReason = reason;
    this.#malformed.add();
  }

  #disconnect(): void {
    this.#outbox.disconnect();
    this.#subscriptions.disconnect();
    this.store?.disconnect();
  }
}
