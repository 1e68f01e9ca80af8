import type { Clock } from "../../transport/clock.ts";
import { ownString } from "../../own_string.ts";
import type { KeepingBroker } from "../cluster/broker.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";

/** How many bytes the broker may be given before it says that it has them. */
const WINDOW = 1024 * 1024;
/** How long to wait after the broker failed, in milliseconds. */
const RETRY_MS = 1_000;
/** How often it is looked whether a message still has to be held, in milliseconds. */
const WAIT_MS = 100;
/** Only a queue that was long at some time is worth compacting. */
const MIN_COMPACTED = 32;

/** A message that the broker does not surely have. */
interface Held {
  readonly topic: string;
  readonly id: string;
  readonly message: Uint8Array;
  readonly size: number;
  isDone: boolean;
}

/**
 * What is to be published to a broker that keeps it: each message is held until the broker has it. Where
 * that became unknown, the broker is given all that it may not have once more, in the same order; by
 * their ids it knows those it has. Past a bound, what comes is dropped.
 */
export class KeptOutbox {
  readonly #broker: KeepingBroker;
  readonly #queueSize: number;
  readonly #clock: Clock;
  readonly #mustWait: (topic: string) => boolean;
  readonly #onDrop: (error: unknown) => void;
  readonly #onEmpty: () => void;
  readonly #server: string = crypto.randomUUID();
  #count = 0;
  #queue: Held[] = [];
  /** The index of the oldest message that is held, and of the next that the broker is to be given. */
  #start = 0;
  #next = 0;
  #size = 0;
  /** What the broker was given since it was connected, or failed, and has not answered. */
  #flight = { size: 0, count: 0 };
  #isConnected = false;
  /** Whether something failed: nothing more is given until all of the flight is answered. */
  #hasFailed = false;
  #retryTimer: unknown;
  /** Set while a message is held that the broker could be given. */
  #waitTimer: unknown;
  #empty: PromiseWithResolvers<void> | undefined;

  /**
   * @param queueSize The most bytes that are held.
   * @param mustWait Whether a message to this topic, and all behind it, are to be held for a moment.
   * @param onDrop Is told of each message that is lost, with the error where there is one.
   * @param onEmpty Is told when nothing is held any more.
   */
  constructor(
    broker: KeepingBroker,
    queueSize: number,
    clock: Clock,
    mustWait: (topic: string) => boolean,
    onDrop: (error: unknown) => void,
    onEmpty: () => void,
  ) {
    this.#broker = broker;
    this.#queueSize = queueSize;
    this.#clock = clock;
    this.#mustWait = mustWait;
    this.#onDrop = onDrop;
    this.#onEmpty = onEmpty;
  }

  /** The bytes that are held. */
  get size(): number {
    return this.#size;
  }

  /** Publishes a message, or has it wait. */
  publish(topic: string, message: Uint8Array): void {
    const size = message.length + MESSAGE_COST;
    if (this.#size + size > this.#queueSize) {
      this.#onDrop(undefined);
      return;
    }
    this.#size += size;
    const id = `${this.#server}:${++this.#count}`;
    this.#queue.push({ topic: ownString(topic), id, message, size, isDone: false });
    this.#give();
  }

  /** Begins to publish. */
  connect(): void {
    this.#isConnected = true;
    this.#restart();
  }

  /** Stops to publish. */
  disconnect(): void {
    this.#isConnected = false;
    this.#clock.clearTimeout(this.#retryTimer);
    this.#clock.clearTimeout(this.#waitTimer);
    this.#waitTimer = undefined;
  }

  /** Goes on where a message may not have to be held any more. */
  continue(): void {
    this.#clock.clearTimeout(this.#waitTimer);
    this.#waitTimer = undefined;
    this.#give();
  }

  /** Resolves when the broker has everything. */
  whenEmpty(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers<void>();
    return this.#empty.promise;
  }

  /** Gives the broker all once more that it may not have. */
  #restart(): void {
    this.#hasFailed = false;
    this.#flight = { size: 0, count: 0 };
    this.#next = this.#start;
    this.#give();
  }

  #give(): void {
    while (this.#isConnected && !this.#hasFailed && this.#flight.size < WINDOW) {
      const held = this.#queue[this.#next];
      if (held === undefined) return;
      if (this.#mustWait(held.topic)) {
        this.#waitTimer ??= this.#clock.setTimeout(() => this.continue(), WAIT_MS);
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
      await this.#broker.append(held.topic, held.id, held.message);
      this.#finish(held);
    } catch (error) {
      if (isRefused(error)) {
        if (!held.isDone) this.#onDrop(error);
        this.#finish(held);
      } else if (flight === this.#flight) {
        this.#hasFailed = true;
      }
    }
    flight.size -= held.size;
    flight.count--;
    if (flight !== this.#flight) return;
    if (this.#hasFailed && flight.count === 0) this.#retry();
    else this.#give();
  }

  #finish(held: Held): void {
    if (held.isDone) return;
    held.isDone = true;
    this.#size -= held.size;
    while (this.#queue[this.#start]?.isDone) this.#start++;
    if (this.#start > MIN_COMPACTED && this.#start * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#start);
      this.#next -= this.#start;
      this.#start = 0;
    }
    if (this.#size > 0) return;
    this.#onEmpty();
    this.#empty?.resolve();
  }

  #retry(): void {
    // Where the broker is gone, it is given them when it is back.
    if (!this.#isConnected) return;
    this.#retryTimer = this.#clock.setTimeout(() => this.#restart(), RETRY_MS);
  }
}

/** Whether a broker says of an error that another attempt can't help. */
function isRefused(error: unknown): boolean {
  try {
    return (error as { isRefused?: unknown } | null)?.isRefused === true;
  } catch {
    return false;
  }
}
