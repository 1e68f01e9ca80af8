import "../../connection/common.ts";
import { within } from "../../transport/clock.ts";
import { BrokerStore } from "../retention/broker_store.ts";
import type { BrokerHandler, BrokerStats } from "./broker.ts";
import { decodeBrokerMessage, encodeBrokerMessage, ID_LENGTH } from "./broker_message.ts";
import { checkBrokerTopic, checkWellFormed, PRESENCE_PREFIX } from "./broker_names.ts";
import { BrokerOutbox } from "./broker_outbox.ts";
import { BrokerSubscriptions } from "./broker_subscriptions.ts";
import { DoublingTally } from "./doubling_tally.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import type { Publication } from "../fan_out/publication.ts";
import { PresenceGroup } from "../presence/group.ts";
import type { Presence } from "../presence/presence.ts";
import type { TopicsSettings } from "../topics.ts";

/** How long a closing server waits until the broker has what was published, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;
/** How many bytes about presence may be on their way to the broker. More are dropped, and repaired later. */
const PRESENCE_WINDOW = 1024 * 1024;

/** Connects a server to its broker: passes on what this server publishes, and receives what others publish. */
export class BrokerLink implements BrokerHandler {
  readonly #fanOut: FanOut;
  readonly settings: TopicsSettings;
  /** Identifies this server in its messages. */
  readonly id: Uint8Array = crypto.getRandomValues(new Uint8Array(ID_LENGTH));
  /** Counts the messages that other servers don't get, each with the error if there is one. */
  readonly drops: DoublingTally<unknown>;
  /** Counts the messages that are not from a server of this library. */
  readonly malformed: DoublingTally<{ readonly topic: string; readonly reason: string }>;
  readonly #outbox: BrokerOutbox;
  readonly subscriptions: BrokerSubscriptions;
  readonly store: BrokerStore | undefined;
  readonly #presence: PresenceGroup;
  state: "new" | "lost" | "connected" | "closed" = "new";
  #wasConnected = false;
  #published = 0;
  #received = 0;
  #presenceInFlight = 0;

  constructor(settings: TopicsSettings, fanOut: FanOut, presence: Presence) {
    this.#fanOut = fanOut;
    this.settings = settings;
    this.drops = new DoublingTally((messages, error) =>
      settings.onBrokerEvent({ type: "broker", status: "dropped", messages, error })
    );
    this.malformed = new DoublingTally((messages, last) =>
      settings.onBrokerEvent({ type: "broker", status: "malformed", messages, ...last })
    );
    this.#outbox = new BrokerOutbox(this);
    this.subscriptions = new BrokerSubscriptions(this, undefined, (topics) => {
      const internal = topics.filter((topic) => topic.startsWith(PRESENCE_PREFIX));
      this.#presence.receiveSubscribed(internal);
    });
    this.#presence = new PresenceGroup(this, presence);
    presence.group = this.#presence;
    if (settings.resume !== undefined) this.store = new BrokerStore(this, settings, fanOut);
  }

  start(): Promise<void> {
    return this.settings.broker!.start(this);
  }

  /** @throws {RangeError | TypeError} If the topic is too long, or the broker can't take it or the key. */
  publish(publication: Publication): void {
    const { topic, data, compress, key = "" } = publication;
    checkBrokerTopic(topic);
    checkWellFormed("key", key);
    if (this.state === "closed") return;
    this.#published++;
    if (this.store?.isRetained(topic)) {
      this.store.publish(publication);
    } else {
      this.#outbox.publish(topic, encodeBrokerMessage(this.id, { data, compress, key }));
      this.#fanOut.publish(publication);
    }
  }

  addTopic(topic: string): void {
    checkBrokerTopic(topic);
    if (this.store?.isRetained(topic)) this.store.addTopic(topic);
    else this.subscriptions.add(topic);
  }

  deleteTopic(topic: string): void {
    if (this.store?.isRetained(topic)) this.store.deleteTopic(topic);
    else this.subscriptions.delete(topic);
  }

  /** Publishes a text about presence; rejects if it is lost, or the broker is away. */
  async sendPresence(brokerTopic: string, text: string): Promise<void> {
    if (this.state !== "connected") throw new Error("The broker is away");
    const bytes = encodeBrokerMessage(this.id, { data: text });
    if (this.#presenceInFlight > PRESENCE_WINDOW) throw new Error("The broker is too slow");
    this.#presenceInFlight += bytes.length;
    try {
      await this.settings.broker!.publish(brokerTopic, bytes);
    } finally {
      this.#presenceInFlight -= bytes.length;
    }
  }

  /** Waits a moment until the broker has everything, and closes it. */
  async close(): Promise<void> {
    const left = this.#presence.close();
    if (this.state === "connected") {
      const sent = Promise.all([this.#outbox.whenEmpty(), this.store?.outbox.whenEmpty(), left]);
      await within(sent, CLOSE_TIMEOUT_MS, this.settings.clock, undefined);
    }
    this.state = "closed";
    this.#disconnect();
    this.store?.close();
    await this.settings.broker!.close();
  }

  stats(): BrokerStats {
    return {
      connected: this.state === "connected",
      published: this.#published,
      received: this.#received,
      dropped: this.drops.total,
      malformed: this.malformed.total,
      waitingSize: this.#outbox.size + (this.store?.outbox.size ?? 0),
    };
  }

  // ---- Called by the broker ----

  receiveMessage(topic: string, bytes: Uint8Array): void {
    if (this.state === "closed") return;
    const message = decodeBrokerMessage(this.id, bytes);
    if (message === undefined) return;
    if ("reason" in message) {
      this.malformed.add({ topic, reason: message.reason });
      return;
    }
    const { data, compress, key } = message;
    if (!topic.startsWith(PRESENCE_PREFIX)) {
      this.#received++;
      this.#fanOut.publish({ topic, data, compress, key });
      return;
    }
    try {
      this.#presence.receiveMessage(topic, data);
    } catch (error) {
      this.malformed.add({ topic, reason: (error as Error).message });
    }
  }

  receiveConnected(): void {
    if (this.state === "connected" || this.state === "closed") return;
    this.state = "connected";
    const status = this.#wasConnected ? "reconnected" : "connected";
    this.#wasConnected = true;
    this.subscriptions.connect();
    this.#outbox.continue();
    this.store?.connect();
    this.#presence.receiveConnected();
    this.settings.onBrokerEvent({ type: "broker", status });
  }

  receiveLost(error: unknown): void {
    if (this.state === "lost" || this.state === "closed") return;
    this.state = "lost";
    this.#disconnect();
    this.#presence.receiveLost();
    this.settings.onBrokerEvent({ type: "broker", status: "lost", error });
  }

  receiveError(error: unknown): void {
    if (this.state === "closed") return;
    this.settings.onBrokerEvent({ type: "broker", status: "error", error });
  }

  #disconnect(): void {
    this.subscriptions.disconnect();
    this.store?.disconnect();
  }
}
