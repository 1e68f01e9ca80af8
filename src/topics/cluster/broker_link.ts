import type { Clock } from "../../transport/clock.ts";
import type { Sendable } from "../../connection/connection.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { BrokerKeeper, type BrokerKeeperOwner } from "../retention/broker_store.ts";
import type { ResumeSettings } from "../retention/memory_store.ts";
import type { Broker, BrokerEvent, BrokerHandler, BrokerStats, KeepingBroker } from "./broker.ts";
import { decodeBrokerMessage, encodeBrokerMessage, ID_LENGTH } from "./broker_message.ts";
import { BrokerOutbox } from "./broker_outbox.ts";
import { BrokerSubscriptions } from "./broker_subscriptions.ts";
import { DoublingTally } from "./doubling_tally.ts";
import type { PresenceBrokerHandler, PresenceLink } from "../presence/group.ts";
import { PRESENCE_PREFIX } from "../presence/message.ts";
import { checkBrokerTopic, checkWellFormed } from "./broker_names.ts";
import type { Topics, TopicsWatcher } from "../fan_out/topics.ts";

/** How long what still waits may take when the server ends, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The most bytes about presence that are on their way to the broker; what is more is lost, and made good later. */
const PRESENCE_WINDOW = 1024 * 1024;

/** A server's part in a broker: what it publishes goes there, and what others publish comes from there. */
export class BrokerLink implements BrokerHandler, TopicsWatcher, PresenceLink, BrokerKeeperOwner {
  readonly #broker: Broker;
  readonly #topics: Topics;
  readonly #clock: Clock;
  readonly #tell: (event: BrokerEvent) => void;
  readonly id: Uint8Array = crypto.getRandomValues(new Uint8Array(ID_LENGTH));
  readonly #outbox: BrokerOutbox;
  readonly #subscriptions: BrokerSubscriptions;
  /** Keeps messages, where any are kept. */
  readonly keeper: BrokerKeeper | undefined;
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
  /** Takes what other servers tell of presence. */
  presence: PresenceBrokerHandler | undefined;

  constructor(
    broker: Broker,
    queueSize: number,
    topics: Topics,
    clock: Clock,
    tell: (event: BrokerEvent) => void,
    resume: ResumeSettings | undefined,
  ) {
    this.#broker = broker;
    this.#topics = topics;
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
        if (own.length > 0) this.presence?.receiveSubscribed(own);
      },
    );
    if (resume !== undefined) {
      this.keeper = new BrokerKeeper(
        broker as KeepingBroker,
        resume,
        queueSize,
        topics,
        clock,
        this,
      );
    }
  }

  /** Begins to connect. */
  start(): Promise<void> {
    return this.#broker.start(this);
  }

  /**
   * Publishes a message, here and to other servers.
   *
   * @throws {TypeError} If the broker can't take the topic or the key.
   * @throws {RangeError} If the topic is too long.
   */
  publish(
    topic: string,
    data: Sendable,
    compress: boolean | undefined,
    key: string,
    except: Subscriber | undefined,
  ): void {
    checkBrokerTopic(topic);
    checkWellFormed("key", key);
    if (this.#state === "closed") return;
    this.#published++;
    if (this.keeper?.isKept(topic)) {
      this.keeper.publish(topic, data, compress, key, except);
    } else {
      this.#outbox.publish(topic, encodeBrokerMessage(this.id, { data, compress, key }));
      this.#topics.publish(topic, data, compress, key, except);
    }
  }

  /** Subscribes to a topic, which has its first subscriber here. */
  addTopic(topic: string): void {
    checkBrokerTopic(topic);
    if (this.keeper?.isKept(topic)) this.keeper.addTopic(topic);
    else this.#subscriptions.add(topic);
  }

  /** Unsubscribes from a topic, which has no subscriber here any more. */
  deleteTopic(topic: string): void {
    if (this.keeper?.isKept(topic)) this.keeper.deleteTopic(topic);
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
    const message = { data: text, compress: undefined, key: "" };
    const bytes = encodeBrokerMessage(this.id, message);
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
    const goodbye = this.presence?.close();
    if (this.#state === "connected") {
      const timeout = Promise.withResolvers<void>();
      const timer = this.#clock.setTimeout(timeout.resolve, CLOSE_TIMEOUT_MS);
      const sent = Promise.all([this.#outbox.whenEmpty(), this.keeper?.whenEmpty(), goodbye]);
      await Promise.race([sent, timeout.promise]);
      this.#clock.clearTimeout(timer);
    }
    this.#state = "closed";
    this.#disconnect();
    this.keeper?.close();
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
      waitingSize: this.#outbox.size + (this.keeper?.waitingSize ?? 0),
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
        this.presence?.receiveMessage(topic, message.data);
      } catch (error) {
        this.countMalformed(topic, (error as Error).message);
      }
      return;
    }
    this.#received++;
    this.#topics.publish(topic, message.data, message.compress, message.key, undefined);
  }

  receiveConnected(): void {
    if (this.#state === "connected" || this.#state === "closed") return;
    this.#state = "connected";
    const status = this.#wasConnected ? "reconnected" : "connected";
    this.#wasConnected = true;
    this.#subscriptions.connect();
    this.#outbox.connect();
    this.keeper?.connect();
    this.presence?.receiveConnected();
    this.#tell({ type: "broker", status });
  }

  receiveLost(error: unknown): void {
    if (this.#state === "lost" || this.#state === "closed") return;
    this.#state = "lost";
    this.#disconnect();
    this.presence?.receiveLost();
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
    this.keeper?.disconnect();
  }
}
