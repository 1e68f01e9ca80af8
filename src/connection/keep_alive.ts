import type { Clock } from "./clock.ts";
import type { KeepAlive as KeepAliveOptions } from "./options.ts";

/** What the keep-alive does to its connection. */
export interface KeepAliveTarget {
  /** Sends a Ping. */
  sendKeepAlivePing(): void;
  /**
   * Tells whether this side did not read at any time since this was asked last: a peer that is not
   * listened to can't be called silent.
   */
  takePause(): boolean;
  /** Drops the connection: the peer is gone. */
  dropSilentPeer(): void;
}

/** Finds out that a silent peer is gone: sends Pings, and waits for any byte after each. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #clock: Clock;
  readonly #target: KeepAliveTarget;
  #timer: unknown;
  #heard = false;
  #dueAt = 0;

  constructor(options: KeepAliveOptions, clock: Clock, target: KeepAliveTarget) {
    this.#options = options;
    this.#clock = clock;
    this.#target = target;
    this.#startInterval(options.intervalMs);
  }

  /** Notes that the peer sent something. */
  heard(): void {
    this.#heard = true;
  }

  /** Stops for good. */
  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #startInterval(delayMs: number): void {
    if (delayMs !== Infinity) this.#timer = this.#clock.setTimeout(() => this.#ping(), delayMs);
  }

  #ping(): void {
    this.#target.sendKeepAlivePing();
    this.#heard = false;
    this.#startTimeout();
  }

  #startTimeout(): void {
    const { timeoutMs, intervalMs } = this.#options;
    if (timeoutMs === Infinity) {
      this.#startInterval(intervalMs);
      return;
    }
    this.#target.takePause();
    this.#dueAt = this.#clock.now() + timeoutMs;
    this.#timer = this.#clock.setTimeout(() => this.#check(), timeoutMs);
  }

  #check(): void {
    const { timeoutMs, intervalMs } = this.#options;
    if (this.#heard) {
      this.#startInterval(Math.max(intervalMs - timeoutMs, 0));
    } else if (this.#target.takePause() || this.#isLate()) {
      this.#startTimeout();
    } else {
      this.#target.dropSilentPeer();
    }
  }

  // A timer that is late shows that this process stalled: the peer's answer may lie unread.
  #isLate(): boolean {
    return this.#clock.now() - this.#dueAt > Math.min(this.#options.timeoutMs / 2, 1000);
  }
}
