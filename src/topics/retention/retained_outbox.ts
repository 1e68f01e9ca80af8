import { Fifo } from "../../fifo.ts";
import { ownString } from "../../own_string.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import type { BrokerStore } from "./broker_store.ts";

/** How many bytes may be on their way to the broker, without its confirmation. */
const WINDOW = 1024 * 1024;
/** How long to wait before messages are sent again after a failure, in milliseconds. */
const RETRY_MS = 1_000;
/** How long to wait before checking again whether a message must be held, in milliseconds. */
const WAIT_MS = 100;

interface Held {
  readonly topic: string;
  readonly id: string;
  readonly message: Uint8Array;
  readonly size: number;
  isDone: boolean;
}

/**
 * Messages on their way to a broker that retains them: each is held until the broker confirms it. After a
 * failure, all unconfirmed messages are sent again in the same order; the broker ignores those that it has, by
 * their ids. Past the limit, new messages are dropped.
 */
export class RetainedOutbox {
  readonly #store: BrokerStore;
  readonly #server: string = crypto.randomUUID();
  #count = 0;
  readonly #queue: Fifo<Held> = new Fifo();
  /** The index in the queue of the next message to send. */
  #next = 0;
  #size = 0;
  /** The unanswered messages among those sent since the last connect or failure. */
  #flight = { size: 0, count: 0 };
  /** Whether one of them failed: no more are sent until all are answered. */
  #hasFailed = false;
  #retryTimer: unknown;
  /** Set while a message is held although the broker could take it. */
  #waitTimer: unknown;
  #empty: PromiseWithResolvers<void> | undefined;

  constructor(store: BrokerStore) {
    this.#store = store;
  }

  get #isConnected(): boolean {
    return this.#store.link.state === "connected";
  }

  get size(): number {
    return this.#size;
  }

  publish(topic: string, message: Uint8Array): void {
    const size = message.length + MESSAGE_COST;
    if (this.#size + size > this.#store.link.settings.brokerQueueSize) {
      this.#store.link.drops.add(undefined);
      return;
    }
    this.#size += size;
    const id = `${this.#server}:${++this.#count}`;
    this.#queue.push({ topic: ownString(topic), id, message, size, isDone: false });
    this.#sendNext();
  }

  disconnect(): void {
    this.#store.clock.clearTimeout(this.#retryTimer);
    this.#store.clock.clearTimeout(this.#waitTimer);
    this.#waitTimer = undefined;
  }

  /** Tries again to send the messages that had to wait. */
  continue(): void {
    this.#store.clock.clearTimeout(this.#waitTimer);
    this.#waitTimer = undefined;
    this.#sendNext();
  }

  /** Resolves when the broker has everything. */
  whenEmpty(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers<void>();
    return this.#empty.promise;
  }

  /** Sends all unconfirmed messages again. */
  restart(): void {
    this.#hasFailed = false;
    this.#flight = { size: 0, count: 0 };
    this.#next = 0;
    this.#sendNext();
  }

  #sendNext(): void {
    while (this.#isConnected && !this.#hasFailed && this.#flight.size < WINDOW) {
      const held = this.#queue.at(this.#next);
      if (held === undefined) return;
      // So must all messages behind it.
      if (this.#store.mustWait(held.topic)) {
        this.#waitTimer ??= this.#store.clock.setTimeout(() => this.continue(), WAIT_MS);
        return;
      }
      this.#next++;
      if (!held.isDone) void this.#append(held);
    }
  }

  async #append(held: Held): Promise<void> {
    const flight = this.#flight;
    flight.size += held.size;
    flight.count++;
    try {
      await this.#store.broker.append(held.topic, held.id, held.message);
      this.#finish(held);
    } catch (error) {
      if (isRefused(error)) {
        if (!held.isDone) this.#store.link.drops.add(error);
        this.#finish(held);
      } else if (flight === this.#flight) {
        this.#hasFailed = true;
      }
    }
    flight.size -= held.size;
    flight.count--;
    if (flight !== this.#flight) return;
    if (!this.#hasFailed || flight.count > 0) this.#sendNext();
    // If the broker is away, they are sent when it is back.
    else if (this.#isConnected) {
      this.#retryTimer = this.#store.clock.setTimeout(() => this.restart(), RETRY_MS);
    }
  }

  #finish(held: Held): void {
    if (held.isDone) return;
    held.isDone = true;
    this.#size -= held.size;
    while (this.#queue.peek()?.isDone) {
      this.#queue.shift();
      // After a restart, the answer to an earlier attempt may come for a message that is to be sent again.
      if (this.#next > 0) this.#next--;
    }
    if (this.#size > 0) return;
    this.#store.link.drops.end();
    this.#empty?.resolve();
  }
}

/** Whether the broker refused a message, so that another attempt can't help. */
function isRefused(error: unknown): boolean {
  try {
    return (error as { isRefused?: unknown } | null)?.isRefused === true;
  } catch {
    return false;
  }
}
