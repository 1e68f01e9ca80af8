import "./common.ts";
import { CloseCode } from "../codec/close_code.ts";
import { ProtocolError } from "../errors.ts";
import type { Clock } from "../transport/clock.ts";
import type { RateLimits } from "./options.ts";

/** Holds what may be taken within a second, and fills at that rate. More may be taken, and is owed then. */
export class TokenBucket {
  readonly #rate: number;
  #tokens: number;
  #filledAt: number;

  /** Creates a full bucket, of `rate` tokens a second: 1 or more, or `Infinity`. `now` is in milliseconds. */
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

  /** How long it takes until there are `count` tokens, in milliseconds; 0 if there are. */
  waitMs(now: number, count: number): number {
    this.#fill(now);
    const missing = count - this.#tokens;
    // A millionth against what the numbers lose on the way.
    return missing <= 0 ? 0 : Math.max(0, Math.ceil(missing / this.#rate * 1000 - 1e-6));
  }

  #fill(now: number): void {
    if (this.#rate === Infinity) return;
    const filled = this.#tokens + (now - this.#filledAt) / 1000 * this.#rate;
    this.#tokens = Math.min(this.#rate, filled);
    this.#filledAt = now;
  }
}

/** The rates, and what each counts, for the error. */
const UNITS = {
  bytesPerSecond: "bytes",
  inflatedBytesPerSecond: "inflated bytes",
  messagesPerSecond: "messages",
  controlFramesPerSecond: "control frames",
} as const;

type Rate = keyof typeof UNITS;

/** Counts what a peer sends, and tells when it is to wait. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #clock: Clock;
  readonly #buckets: Readonly<Record<Rate, TokenBucket>>;

  constructor(limits: RateLimits, clock: Clock) {
    const createBucket = (rate: Rate) => new TokenBucket(limits[rate], clock.now());
    this.#limits = limits;
    this.#clock = clock;
    this.#buckets = {
      bytesPerSecond: createBucket("bytesPerSecond"),
      inflatedBytesPerSecond: createBucket("inflatedBytesPerSecond"),
      messagesPerSecond: createBucket("messagesPerSecond"),
      controlFramesPerSecond: createBucket("controlFramesPerSecond"),
    };
  }

  /** Counts what has arrived; throws a `ProtocolError`, 1008, if that is what becomes of a peer that is too fast. */
  count(rate: Rate, count: number): void {
    const now = this.#clock.now();
    const bucket = this.#buckets[rate];
    bucket.take(count, now);
    if (this.#limits.onExceeded === "pause" || bucket.waitMs(now, 0) === 0) return;
    throw new ProtocolError(
      CloseCode.PolicyViolation,
      `Cannot receive more than ${this.#limits[rate]} ${UNITS[rate]} a second`,
    );
  }

  /**
   * How long not to read, in milliseconds; 0 if another message and another control frame may come. With `"close"`
   * the next one is let in, which is seen to be too much then. `isWithin`: more of a counted message is to come.
   */
  waitMs(isWithin: boolean): number {
    const now = this.#clock.now();
    const next = this.#limits.onExceeded === "pause" ? 1 : 0;
    const buckets = this.#buckets;
    return Math.max(
      buckets.bytesPerSecond.waitMs(now, 0),
      buckets.inflatedBytesPerSecond.waitMs(now, 0),
      isWithin ? 0 : buckets.messagesPerSecond.waitMs(now, next),
      buckets.controlFramesPerSecond.waitMs(now, next),
    );
  }
}
