import type { Delay, Delays, Waiting } from "../transport/delays.ts";
import type { KeepAlive as KeepAliveOptions } from "./options.ts";

/**
 * How often in a row the peer is given its time once more since this process stalled: one that is always busy
 * would otherwise never find out that a peer is gone.
 */
const MAX_FORGIVEN = 3;

/** The connection, as keep-alive needs it. */
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
export class KeepAlive implements Waiting {
  readonly #options: KeepAliveOptions;
  readonly #delays: Delays;
  readonly #target: KeepAliveTarget;
  /** What it waits for, or waited for last. */
  #delay: Delay | undefined;
  /** Whether a Ping was sent, and this waits for the peer; otherwise for the time of the next Ping. */
  #isCalling = false;
  /** Whether the time for the answer is over but for its last part. */
  #isLastPart = false;
  #heard = false;
  #forgiven = 0;

  constructor(options: KeepAliveOptions, delays: Delays, target: KeepAliveTarget) {
    this.#options = options;
    this.#delays = delays;
    this.#target = target;
    this.#startInterval(options.intervalMs);
  }

  /** The peer sent something. */
  heard(): void {
    this.#heard = true;
  }

  /** Stops for good. */
  stop(): void {
    this.#delay?.cancel();
  }

  expire(): void {
    if (this.#isCalling) this.#check();
    else this.#ping();
  }

  #startInterval(delayMs: number): void {
    this.#isCalling = false;
    if (delayMs !== Infinity) this.#delay = this.#delays.start(this, delayMs);
  }

  #ping(): void {
    this.#target.sendKeepAlivePing();
    this.#heard = false;
    this.#forgiven = 0;
    this.#startTimeout();
  }

  #startTimeout(): void {
    const { timeoutMs, intervalMs } = this.#options;
    if (timeoutMs === Infinity) {
      this.#startInterval(intervalMs);
      return;
    }
    this.#target.takePause();
    this.#isCalling = true;
    this.#isLastPart = false;
    this.#delay = this.#delays.start(this, timeoutMs - this.#lastPartMs);
  }

  // After a stall, timers fire before pending reads; the last part of the time, a wait of its own, lets those
  // be read.
  get #lastPartMs(): number {
    return Math.floor(Math.min(this.#options.timeoutMs / 2, 1000));
  }

  #check(): void {
    const { timeoutMs, intervalMs } = this.#options;
    const leftMs = this.#isLastPart ? 0 : this.#lastPartMs;
    if (this.#heard) {
      this.#startInterval(Math.max(intervalMs - timeoutMs + leftMs, 0));
    } else if (this.#target.takePause()) {
      this.#startTimeout();
    } else if (this.#isLate() && this.#forgiven < MAX_FORGIVEN) {
      this.#forgiven++;
      this.#startTimeout();
    } else if (!this.#isLastPart) {
      this.#isLastPart = true;
      this.#delay = this.#delays.start(this, leftMs);
    } else {
      this.#target.dropSilentPeer();
    }
  }

  // A timer that is late shows that this process stalled: the peer's answer may lie unread.
  #isLate(): boolean {
    return this.#delays.now() - this.#delay!.dueAt > this.#lastPartMs / 2;
  }
}
