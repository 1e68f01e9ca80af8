import type { Clock } from "../../transport/clock.ts";
import { queueMicrotask } from "../../timers.ts";

/** How long to wait after the broker refused something, in milliseconds. */
const RETRY_MS = 1_000;

/** What subscribes to topics. */
export interface SubscribingBroker {
  subscribe(topics: readonly string[]): Promise<void>;
  unsubscribe(topics: readonly string[]): Promise<void>;
}

/**
 * How a topic stands with the broker. There is nothing to be known of one that it was asked about in
 * vain: it may have done what it was asked.
 */
type Standing = "subscribed" | "subscribing" | "unsubscribing" | "unknown";

/**
 * Keeps a broker subscribed to the topics that someone here listens to, and to no others. Of one topic
 * the broker is asked one thing at a time; what has changed meanwhile is put right when it has answered.
 */
export class BrokerSubscriptions {
  readonly #broker: SubscribingBroker;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #onSubscribed: (topics: readonly string[]) => void;
  readonly #wanted: Set<string> = new Set();
  /** Those that have no standing are not subscribed. */
  readonly #standings: Map<string, Standing> = new Map();
  #changed: Set<string> = new Set();
  /** Those that are asked for again, each by itself: one that is not permitted holds up no other. */
  #refused: Set<string> = new Set();
  #isConnected = false;
  #isScheduled = false;
  #retryTimer: unknown;

  /**
   * @param onError Is told what the broker refuses; it is asked again.
   * @param onSubscribed Is told of topics that were added, once the broker is subscribed to them.
   */
  constructor(
    broker: SubscribingBroker,
    clock: Clock,
    onError: (error: unknown) => void,
    onSubscribed: (topics: readonly string[]) => void,
  ) {
    this.#broker = broker;
    this.#clock = clock;
    this.#onError = onError;
    this.#onSubscribed = onSubscribed;
  }

  /** Subscribes to a topic. */
  add(topic: string): void {
    this.#wanted.add(topic);
    this.#change(topic);
  }

  /** Unsubscribes from a topic. */
  delete(topic: string): void {
    this.#wanted.delete(topic);
    this.#change(topic);
  }

  /** The topics that the broker is subscribed to. */
  get subscribed(): string[] {
    return [...this.#wanted].filter((topic) => this.#standings.get(topic) === "subscribed");
  }

  /** Begins to ask the broker. */
  connect(): void {
    this.#isConnected = true;
    this.#schedule();
  }

  /** Stops to ask the broker. */
  disconnect(): void {
    this.#isConnected = false;
    this.#clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    for (const topic of this.#refused) this.#changed.add(topic);
    this.#refused.clear();
  }

  #change(topic: string): void {
    this.#changed.add(topic);
    this.#schedule();
  }

  /** What changes in one turn is asked for together. */
  #schedule(): void {
    if (this.#isScheduled || !this.#isConnected || this.#changed.size === 0) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (!this.#isConnected) return;
      const changed = this.#changed;
      this.#changed = new Set();
      this.#reconcile(changed);
    });
  }

  #reconcile(topics: Iterable<string>): void {
    const added: string[] = [];
    const removed: string[] = [];
    const unchanged: string[] = [];
    for (const topic of topics) {
      const standing = this.#standings.get(topic);
      if (standing === "subscribing" || standing === "unsubscribing") continue;
      if (this.#wanted.has(topic)) {
        if (standing === "subscribed") unchanged.push(topic);
        else added.push(topic);
      } else if (standing !== undefined) {
        removed.push(topic);
      }
    }
    if (removed.length > 0) void this.#unsubscribe(removed);
    if (added.length > 0) void this.#subscribe(added);
    if (unchanged.length > 0) this.#onSubscribed(unchanged);
  }

  async #subscribe(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#standings.set(topic, "subscribing");
    try {
      await this.#broker.subscribe(topics);
      for (const topic of topics) {
        this.#standings.set(topic, "subscribed");
        if (!this.#wanted.has(topic)) this.#changed.add(topic);
      }
      this.#schedule();
      this.#onSubscribed(topics.filter((topic) => this.#wanted.has(topic)));
    } catch (error) {
      this.#fail(topics, error);
    }
  }

  async #unsubscribe(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#standings.set(topic, "unsubscribing");
    try {
      await this.#broker.unsubscribe(topics);
      for (const topic of topics) {
        this.#standings.delete(topic);
        if (this.#wanted.has(topic)) this.#changed.add(topic);
      }
      this.#schedule();
    } catch (error) {
      this.#fail(topics, error);
    }
  }

  #fail(topics: readonly string[], error: unknown): void {
    for (const topic of topics) this.#standings.set(topic, "unknown");
    if (this.#isConnected) this.#onError(error);
    // Where the broker is gone, they are asked for when it is back.
    const again = this.#isConnected ? this.#refused : this.#changed;
    for (const topic of topics) again.add(topic);
    if (!this.#isConnected || this.#retryTimer !== undefined) return;
    this.#retryTimer = this.#clock.setTimeout(() => {
      this.#retryTimer = undefined;
      const refused = this.#refused;
      this.#refused = new Set();
      for (const topic of refused) this.#reconcile([topic]);
    }, RETRY_MS);
  }
}
