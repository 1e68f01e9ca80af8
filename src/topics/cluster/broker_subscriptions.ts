import { queueMicrotask } from "../../timers.ts";
import type { KeepingBroker } from "./broker.ts";
import type { BrokerLink } from "./broker_link.ts";

/** How long to wait before a failed request is tried again, in milliseconds. */
const RETRY_MS = 1_000;

/** The state of a topic: `"asked"` during a request, `"unknown"` after one that failed. */
type State = "subscribed" | "asked" | "unknown";

/** Keeps the broker subscribed to the topics with subscribers here, by one request at a time about each. */
export class BrokerSubscriptions {
  readonly #link: BrokerLink;
  readonly #isKept: true | undefined;
  readonly #onSubscribed: (topics: readonly string[]) => void;
  readonly #wanted: Set<string> = new Set();
  /** Topics without a state are not subscribed. */
  readonly #states: Map<string, State> = new Map();
  #changed: Set<string> = new Set();
  /** Topics to try again, each by itself, so that one that is not permitted does not hold up others. */
  #failed: Set<string> = new Set();
  #isScheduled = false;
  #retryTimer: unknown;

  /** @param onSubscribed Is told of topics that were added, once the broker is subscribed to them. */
  constructor(
    link: BrokerLink,
    isKept: true | undefined,
    onSubscribed: (topics: readonly string[]) => void,
  ) {
    this.#link = link;
    this.#isKept = isKept;
    this.#onSubscribed = onSubscribed;
  }

  add(topic: string): void {
    this.#wanted.add(topic);
    this.#change(topic);
  }

  delete(topic: string): void {
    this.#wanted.delete(topic);
    this.#change(topic);
  }

  get subscribed(): string[] {
    return [...this.#wanted].filter((topic) => this.#states.get(topic) === "subscribed");
  }

  connect(): void {
    this.#schedule();
  }

  disconnect(): void {
    this.#link.settings.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    for (const topic of this.#failed) this.#changed.add(topic);
    this.#failed.clear();
  }

  get #isConnected(): boolean {
    return this.#link.state === "connected";
  }

  #change(topic: string): void {
    this.#changed.add(topic);
    this.#schedule();
  }

  /** Sends the changes of one turn together. */
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
      const state = this.#states.get(topic);
      if (state === "asked") continue;
      if (!this.#wanted.has(topic)) {
        if (state !== undefined) removed.push(topic);
      } else if (state === "subscribed") {
        unchanged.push(topic);
      } else {
        added.push(topic);
      }
    }
    if (removed.length > 0) void this.#request("unsubscribe", removed);
    if (added.length > 0) void this.#request("subscribe", added);
    if (unchanged.length > 0) this.#onSubscribed(unchanged);
  }

  async #request(what: "subscribe" | "unsubscribe", topics: readonly string[]): Promise<void> {
    const isSubscribe = what === "subscribe";
    for (const topic of topics) this.#states.set(topic, "asked");
    try {
      await (this.#link.settings.broker as KeepingBroker)[what](topics, this.#isKept);
    } catch (error) {
      this.#fail(topics, error);
      return;
    }
    for (const topic of topics) {
      if (isSubscribe) this.#states.set(topic, "subscribed");
      else this.#states.delete(topic);
      if (this.#wanted.has(topic) !== isSubscribe) this.#changed.add(topic);
    }
    this.#schedule();
    if (isSubscribe) this.#onSubscribed(topics.filter((topic) => this.#wanted.has(topic)));
  }

  #fail(topics: readonly string[], error: unknown): void {
    for (const topic of topics) this.#states.set(topic, "unknown");
    if (this.#isConnected) this.#link.receiveError(error);
    // If the broker is away, they are sent when it is back.
    const again = this.#isConnected ? this.#failed : this.#changed;
    for (const topic of topics) again.add(topic);
    if (!this.#isConnected || this.#retryTimer !== undefined) return;
    this.#retryTimer = this.#link.settings.clock.setTimeout(() => {
      this.#retryTimer = undefined;
      const failed = this.#failed;
      this.#failed = new Set();
      for (const topic of failed) this.#reconcile([topic]);
    }, RETRY_MS);
  }
}
