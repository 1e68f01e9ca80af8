import type { NatsConnection } from "@nats-io/transport-node";
import type { StreamState } from "./nats_stream.ts";
import { clearTimeout, monotonicNow, setTimeout } from "../timers.ts";

/** How many ticks there are, at least, among what a stream has. */
const TICKS = 4;
/** How often it is looked whether one is due, in milliseconds. */
const LOOK_MS = 2_000;
/** The longest time that messages may come later than a tick that is younger, in milliseconds. */
const MAX_SETTLE_MS = 1_000;

/** What ticks are about. */
export interface NatsTicksOwner {
  /** Where ticks are published. */
  readonly connection: NatsConnection | undefined;
  /** Tells what the stream has. */
  inspect(): Promise<StreamState>;
}

/**
 * Publishes ticks to a stream: messages that only count. From each of them, servers know that nothing came
 * before it in topics that are quiet, which others would push out of the stream. Of all servers, the one
 * that looks first when a tick is due publishes it.
 */
export class NatsTicks {
  readonly #subject: string;
  readonly #intervalMs: number;
  readonly #owner: NatsTicksOwner;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #settling: Set<ReturnType<typeof setTimeout>> = new Set();
  /** The number of the last tick that came, and when it did. */
  #last = 0;
  #lastMs = 0;

  constructor(subject: string, windowMs: number, owner: NatsTicksOwner) {
    this.#subject = subject;
    this.#intervalMs = windowMs / TICKS;
    this.#owner = owner;
  }

  /** Begins, unless it has. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#lastMs = monotonicNow();
    this.#wait();
  }

  /** Ends. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const timer of this.#settling) clearTimeout(timer);
    this.#settling.clear();
  }

  /** Notes that a tick came, or 0 where none has. */
  receive(number: number): void {
    this.#last = number;
    this.#lastMs = monotonicNow();
  }

  /**
   * Resolves when all messages have come that are older than a tick which came now. It may have overtaken
   * some, by microseconds; what is on its way through here comes before the answer to the flush.
   */
  async settle(): Promise<void> {
    const delayMs = Math.min(MAX_SETTLE_MS, this.#intervalMs / 4);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#settling.delete(timer);
        resolve();
      }, delayMs);
      this.#settling.add(timer);
    });
    try {
      await this.#owner.connection?.flush();
    } catch {
      // It is not open any more.
    }
  }

  #wait(): void {
    const delayMs = Math.min(LOOK_MS, this.#intervalMs) * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => {
      this.#wait();
      void this.#look();
    }, delayMs);
  }

  async #look(): Promise<void> {
    const { connection } = this.#owner;
    if (connection === undefined || connection.isClosed()) return;
    try {
      const { first, last } = await this.#owner.inspect();
      const isOld = monotonicNow() - this.#lastMs >= this.#intervalMs;
      // What comes in may be so much that the size bounds it, rather than the time.
      const isFar = (last - this.#last) * TICKS > last - first;
      if (last > this.#last && (isOld || isFar)) connection.publish(this.#subject);
    } catch {
      // It is looked again.
    }
  }
}
