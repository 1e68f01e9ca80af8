import type { NatsLog } from "./nats_log.ts";
import { clearTimeout, monotonicNow, setTimeout } from "../timers.ts";

/** The least number of ticks among the messages of a stream. */
const TICKS = 4;
/** The time between two checks whether a tick is due, in milliseconds. */
const CHECK_MS = 2_000;
/** How much later than a newer tick a message may arrive at most, in milliseconds. */
const MAX_FLUSH_MS = 1_000;

/**
 * Publishes ticks to a stream: empty messages that only take a sequence number. After one, servers know that
 * quiet topics have no message before it; otherwise, busy topics would push the last known number of a quiet
 * topic out of the stream. The server that first notices that a tick is due publishes it.
 */
export class NatsTicks {
  readonly #subject: string;
  readonly #intervalMs: number;
  readonly #log: NatsLog;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #flushTimers: Set<ReturnType<typeof setTimeout>> = new Set();
  #last = 0;
  #lastMs = 0;

  constructor(subject: string, windowMs: number, log: NatsLog) {
    this.#subject = subject;
    this.#intervalMs = windowMs / TICKS;
    this.#log = log;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#lastMs = monotonicNow();
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const timer of this.#flushTimers) clearTimeout(timer);
    this.#flushTimers.clear();
  }

  /** Records the sequence number of a received tick; 0 for none. */
  receive(number: number): void {
    this.#last = number;
    this.#lastMs = monotonicNow();
  }

  /**
   * Resolves when all messages older than the tick just received have arrived. It may have overtaken some in
   * the NATS server, by microseconds; those on their way to here arrive before the answer to `flush`.
   */
  async flush(): Promise<void> {
    const delayMs = Math.min(MAX_FLUSH_MS, this.#intervalMs / 4);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, delayMs);
    this.#flushTimers.add(timer);
    await promise;
    this.#flushTimers.delete(timer);
    // It rejects if the connection is closed.
    await this.#log.connection?.flush().catch(() => {});
  }

  #wait(): void {
    const delayMs = Math.min(CHECK_MS, this.#intervalMs) * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => {
      this.#wait();
      void this.#check();
    }, delayMs);
  }

  async #check(): Promise<void> {
    const { connection } = this.#log;
    if (connection === undefined || connection.isClosed()) return;
    try {
      const { first, last } = await this.#log.inspect();
      const isOld = monotonicNow() - this.#lastMs >= this.#intervalMs;
      // With much traffic, the stream may be limited by size rather than by time.
      const isFar = (last - this.#last) * TICKS > last - first;
      if (last > this.#last && (isOld || isFar)) connection.publish(this.#subject);
    } catch {
      // The next check tries again.
    }
  }
}
