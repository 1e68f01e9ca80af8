import type { Sendable } from "../connection/connection.ts";
import type { Turns } from "../connection/turns.ts";
import type { Clock } from "../transport/clock.ts";
import type { Broker, BrokerEvent, BrokerStats } from "./cluster/broker.ts";
import type { BrokerLink } from "./cluster/broker_link.ts";
import { SharedTally } from "./fan_out/shared_memory.ts";
import type { Subscriber } from "./fan_out/subscriber.ts";
import { Topics } from "./fan_out/topics.ts";
import type { PresenceSettings, PresentMember } from "./presence/options.ts";
import { Presence } from "./presence/presence.ts";
import type { MemoryKeeper, ResumeSettings } from "./retention/memory_store.ts";

/** What the topics of a server are created with. */
export interface ServerTopicsSettings {
  readonly presence: PresenceSettings;
  readonly broker: Broker | undefined;
  readonly brokerQueueSize: number;
  readonly resume: ResumeSettings | undefined;
  readonly clock: Clock;
  /** Shares out the event loop. */
  readonly turns: Turns;
  /** Takes changes of the memory that subscribers share, in bytes. */
  onMemoryChange(change: number): void;
  /** Takes what the program's code throws. */
  onError(error: unknown): void;
  onBrokerEvent(event: BrokerEvent): void;
}

/** The figures of the topics of a server. */
export interface TopicsStats {
  readonly topics: number;
  readonly subscriptions: number;
  readonly messagesDropped: number;
  /** The bytes that subscribers share. */
  readonly sharedSize: number;
  /** The bytes of retained messages, if any are retained. */
  readonly keptSize: number | undefined;
  readonly broker: BrokerStats | undefined;
}

/**
 * All topics of a server: fan-out to its own connections and presence, and if options ask for them, a broker
 * and retained messages, which are loaded then.
 */
export class ServerTopics {
  readonly #settings: ServerTopicsSettings;
  readonly fanOut: Topics;
  readonly #presence: Presence;
  #broker: BrokerLink | undefined;
  /** Retains messages, if there is no broker that does. */
  #memory: MemoryKeeper | undefined;

  /** Creates the topics, and loads what options ask for. */
  static async create(settings: ServerTopicsSettings): Promise<ServerTopics> {
    const topics = new ServerTopics(settings);
    if (settings.broker !== undefined) await topics.#addBroker(settings.broker);
    else if (settings.resume !== undefined) await topics.#addMemory(settings.resume);
    return topics;
  }

  private constructor(settings: ServerTopicsSettings) {
    const { presence, turns } = settings;
    this.#settings = settings;
    this.fanOut = new Topics(new SharedTally((change) => settings.onMemoryChange(change)));
    this.#presence = new Presence(
      presence,
      (topic, data, key, except, audience) =>
        this.fanOut.publish(topic, data, undefined, key, except, audience),
      (error) => settings.onError(error),
    );
    this.fanOut.presence = this.#presence;
    this.fanOut.turns = turns;
  }

  async #addBroker(broker: Broker): Promise<void> {
    const [{ BrokerLink }, { PresenceGroup }] = await Promise.all([
      import("./cluster/broker_link.ts"),
      import("./presence/group.ts"),
    ]);
    const { fanOut } = this;
    const { brokerQueueSize, clock, resume, presence: { ttlMs } } = this.#settings;
    const tell = (event: BrokerEvent) => this.#settings.onBrokerEvent(event);
    const link = new BrokerLink(broker, brokerQueueSize, fanOut, clock, tell, resume);
    fanOut.watcher = link;
    fanOut.keeper = link.keeper;
    link.presence = this.#presence.connect((id, tellChanges) =>
      new PresenceGroup(link, clock, ttlMs, id, tellChanges)
    );
    this.#broker = link;
  }

  async #addMemory(resume: ResumeSettings): Promise<void> {
    const { MemoryKeeper } = await import("./retention/memory_store.ts");
    this.#memory = new MemoryKeeper(resume, this.fanOut, this.#settings.clock);
    this.fanOut.watcher = this.fanOut.keeper = this.#memory;
  }

  /** Starts the broker. */
  async start(): Promise<void> {
    await this.#broker?.start();
  }

  /** Ends it all. */
  async close(): Promise<void> {
    this.#memory?.close();
    await this.#broker?.close();
  }

  /**
   * Publishes a message.
   *
   * @throws {TypeError} If a broker can't take the topic or the key.
   * @throws {RangeError} If the topic is too long.
   */
  publish(
    topic: string,
    data: Sendable,
    compress: boolean | undefined,
    key: string,
    except: Subscriber | undefined,
  ): void {
    if (this.#broker !== undefined) {
      this.#broker.publish(topic, data, compress, key, except);
    } else if (this.#memory?.isKept(topic)) {
      this.#memory.publish(topic, data, compress, key, except);
    } else {
      this.fanOut.publish(topic, data, compress, key, except);
    }
  }

  /** Counts the subscribers of a topic on this server. */
  subscriberCount(topic: string): number {
    return this.fanOut.subscriberCount(topic);
  }

  /** Lists the members of a topic, on all servers. */
  listMembers(topic: string): Promise<PresentMember[]> {
    return this.#presence.list(topic);
  }

  /** Returns the figures. */
  stats(): TopicsStats {
    const { topicCount, subscriptionCount, dropped, tally, keeper } = this.fanOut;
    return {
      topics: topicCount,
      subscriptions: subscriptionCount,
      messagesDropped: dropped,
      sharedSize: tally.size,
      keptSize: keeper?.keptSize,
      broker: this.#broker?.stats(),
    };
  }
}
