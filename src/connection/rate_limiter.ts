import { CloseCode } from "../codec/close_code.ts";
import { ProtocolError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import type { RateLimits } from "./options.ts";

/**
 * A token bucket: it holds what may be taken within a second, and fills at that rate. More than it
 * holds may be taken, and is owed then.
 */
export class TokenBucket {
  readonly #rate: number;
  #tokens: number;
  #filledAt: number;

  /**
   * Creates a full bucket.
   *
   * @param rate The tokens a second: 1 or more, or `Infinity`.
   * @param now The time, in milliseconds.
   */
  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#tokens = rate;
    this.#filledAt = now;
  }

  /** Takes tokens. */
  take(count: number, now: number): void {
    this.#fill(now);
    this.#tokens -= count;
  }

  /** How long it takes until none are owed any more, in milliseconds; 0 where none are. */
  waitMs(now: number): number {
    this.#fill(now);
    // A millionth against what the numbers lose on the way.
    return this.#tokens >= 0 ? 0 : Math.max(0, Math.ceil(-this.#tokens / this.#rate * 1000 - 1e-6));
  }

  #fill(now: number): void {
    if (this.#rate === Infinity) return;
    const filled = this.#tokens + (now - this.#filledAt) / 1000 * this.#rate;
    this.#tokens = Math.min(this.#rate, filled);
    this.#filledAt = now;
  }
}

/** Counts what a peer sends, and tells when it is to wait. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #clock: Clock;
  readonly #bytes: TokenBucket;
  readonly #inflatedBytes: TokenBucket;
  readonly #messages: TokenBucket;
  readonly #controlFrames: TokenBucket;

  constructor(limits: RateLimits, clock: Clock) {
    const now = clock.now();
    this.#limits = limits;
    this.#clock = clock;
    this.#bytes = new TokenBucket(limits.bytesPerSecond, now);
    this.#inflatedBytes = new TokenBucket(limits.inflatedBytesPerSecond, now);
    this.#messages = new TokenBucket(limits.messagesPerSecond, now);
    this.#controlFrames = new TokenBucket(limits.controlFramesPerSecond, now);
  }

  /** Counts bytes that arrived. @throws {ProtocolError} With 1008, past the rate and `"close"`. */
  countBytes(count: number): void {
    this.#take(this.#bytes, count, `${this.#limits.bytesPerSecond} bytes`);
  }

  /** Counts bytes that were inflated. @throws {ProtocolError} With 1008, past the rate and `"close"`. */
  countInflatedBytes(count: number): void {
    this.#take(this.#inflatedBytes, count, `${this.#limits.inflatedBytesPerSecond} inflated bytes`);
  }

  /** Counts a message. @throws {ProtocolError} With 1008, past the rate and `"close"`. */
  countMessage(): void {
    this.#take(this.#messages, 1, `${this.#limits.messagesPerSecond} messages`);
  }

  /** Counts a Ping or Pong. @throws {ProtocolError} With 1008, past the rate and `"close"`. */
  countControlFrame(): void {
    this.#take(this.#controlFrames, 1, `${this.#limits.controlFramesPerSecond} control frames`);
  }

  /** How long not to read, in milliseconds; 0 where the peer keeps to its rates. */
  get waitMs(): number {
    const now = this.#clock.now();
    return Math.max(
      this.#bytes.waitMs(now),
      this.#inflatedBytes.waitMs(now),
      this.#messages.waitMs(now),
      this.#controlFrames.waitMs(now),
    );
  }

  /** @throws {ProtocolError} With 1008, where that is what becomes of a peer that is too fast. */
  #take(bucket: TokenBucket, count: number, limit: string): void {
    const now = this.#clock.now();
    bucket.take(count, now);
    if (this.#limits.onExceeded === "pause" || bucket.waitMs(now) === 0) return;
    throw new ProtocolError(
      CloseCode.PolicyViolation,
      `Cannot receive more than ${limit} a second`,
    );
  }
}
