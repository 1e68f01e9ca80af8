import { CloseCode } from "../codec/close_code.ts";
import { Fifo } from "../connection/fifo.ts";
import type {
  LagPolicy,
  SubscribeOptions,
  Subscriber,
  Subscription,
} from "../connection/subscriber.ts";
import { checkOneOf } from "../checks.ts";
import { checkLimit } from "../limits.ts";
import { checkCloseStatus } from "../protocol/close_payload.ts";
import type { Position } from "../resume/position.ts";
import { type PresenceClaim, resolvePresenceClaim } from "./presence_claim.ts";
import type { PublishedMessage } from "./published_message.ts";

const POLICIES: readonly LagPolicy[] = ["close", "drop-oldest", "drop-newest", "latest"];

/** What the object costs by which a message waits, in bytes. */
const WAITING_COST = 64;

/** A message that waits for a slow peer, with its place among those of other topics. */
interface Waiting {
  readonly message: PublishedMessage;
  readonly place: number;
  readonly size: number;
  /** Whether the subscriber missed it while it was away. */
  readonly isMissed: boolean;
}

/** One connection's subscription to one topic, and what waits for the connection. */
export class TopicSubscription implements Subscription {
  readonly topic: string;
  readonly #subscriber: Subscriber;
  readonly #onDrop: () => void;
  /** What it has to do with presence, if anything. */
  readonly presence: PresenceClaim | undefined;
  readonly #lag: LagPolicy;
  readonly #queueSize: number;
  readonly #closeCode: number;
  #waiting: Fifo<Waiting> | undefined;
  /** The latest message of each slot, in the order they came. */
  #latest: Map<string, Waiting> | undefined;
  #size = 0;
  /** How many bytes wait that were missed: there is a bound to them already. */
  #missedSize = 0;
  #dropped = 0;
  /**
   * Where the subscriber got to before it connected, until it is known what it missed: what is published
   * meanwhile comes behind that.
   */
  resumeFrom: Position | undefined;

  /**
   * @param onDrop Is told of each message that is dropped.
   * @throws {RangeError} Where a number among the options is out of its range, or a key or information too
   * long.
   * @throws {TypeError} Where there is no such policy, or `presence` is none.
   */
  constructor(
    topic: string,
    subscriber: Subscriber,
    options: SubscribeOptions,
    onDrop: () => void,
  ) {
    const { lag = "close", queueSize = 1024 * 1024, closeCode = CloseCode.TryAgainLater } = options;
    checkOneOf("lag", lag, POLICIES);
    checkLimit("queueSize", queueSize, 0);
    checkCloseStatus({ closeCode, reason: "" });
    this.presence = resolvePresenceClaim(options.presence);
    this.topic = topic;
    this.#subscriber = subscriber;
    this.#onDrop = onDrop;
    this.#lag = lag;
    this.#queueSize = queueSize;
    this.#closeCode = closeCode;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** The place of the message that waits for longest; `Infinity` where none does. */
  get firstPlace(): number {
    if (this.#waiting !== undefined) return this.#waiting.peek()?.place ?? Infinity;
    if (this.#latest === undefined || this.#latest.size === 0) return Infinity;
    return this.#latest.values().next().value!.place;
  }

  /** Holds no message any more. */
  clear(): void {
    for (
      let next = this.#waiting?.shift();
      next !== undefined;
      next = this.#waiting?.shift()
    ) this.#count(next, -1);
    for (const waiting of this.#latest?.values() ?? []) this.#release(waiting);
    this.#latest?.clear();
  }

  /**
   * Takes a message that the subscriber is too slow for at the moment.
   *
   * @param isMissed Whether the subscriber missed it while it was away.
   */
  wait(message: PublishedMessage, place: number, isMissed: boolean): "send" | "waits" | "none" {
    const subscriber = this.#subscriber;
    const size = message.size;
    const waiting = { message, place, size, isMissed };
    switch (this.#lag) {
      case "close":
        if (isMissed || this.firstPlace !== Infinity) {
          // What was missed waits, however much it is, and what comes behind it has to.
          if (this.#hasRoomFor(waiting)) return this.#queue(waiting) ? "waits" : "none";
        } else if (subscriber.hasRoomForLength(size)) {
          return "send";
        }
        subscriber.closeLagging({
          closeCode: this.#closeCode,
          reason: "The peer reads too slowly for a topic",
        });
        this.#drop();
        return "none";
      case "latest": {
        // First: from then on, the slot is a part of nothing larger.
        this.#hold(waiting);
        const latest = this.#latest ??= new Map();
        const { slot } = message;
        const before = latest.get(slot);
        if (before !== undefined) {
          latest.delete(slot);
          this.#drop();
          this.#release(before);
        }
        latest.set(slot, waiting);
        return "waits";
      }
      default:
        return this.#queue(waiting) ? "waits" : "none";
    }
  }

  /** Has a message wait with others, and drops what is too much; tells whether any wait. */
  #queue(waiting: Waiting): boolean {
    const queue = this.#waiting ??= new Fifo();
    if (this.#lag === "drop-newest" && !this.#hasRoomFor(waiting)) {
      this.#drop();
    } else {
      queue.push(waiting);
      this.#count(waiting, 1);
    }
    while (this.#size - this.#missedSize > this.#queueSize) {
      this.#count(queue.shift()!, -1);
      this.#drop();
    }
    return queue.length > 0;
  }

  #hasRoomFor({ size, isMissed }: Waiting): boolean {
    return isMissed || this.#size - this.#missedSize + size <= this.#queueSize;
  }

  #count(waiting: Waiting, sign: 1 | -1): void {
    const { size, isMissed } = waiting;
    this.#size += sign * size;
    if (isMissed) this.#missedSize += sign * size;
    if (sign === 1) this.#hold(waiting);
    else this.#release(waiting);
  }

  #hold({ message, size }: Waiting): void {
    message.hold(this.#subscriber.tally);
    this.#countWaiting(WAITING_COST + size, WAITING_COST);
  }

  #release({ message, size }: Waiting): void {
    message.release();
    this.#countWaiting(-WAITING_COST - size, -WAITING_COST);
  }

  #countWaiting(change: number, ownChange: number): void {
    this.#subscriber.topicsSize += change;
    this.#subscriber.tally.count(ownChange);
  }

  #drop(): void {
    this.#dropped++;
    this.#onDrop();
  }

  /** Gives the message that waits for longest. */
  shift(): PublishedMessage {
    if (this.#waiting !== undefined) {
      const waiting = this.#waiting.shift()!;
      this.#count(waiting, -1);
      return waiting.message;
    }
    const [slot, waiting] = this.#latest!.entries().next().value!;
    this.#latest!.delete(slot);
    this.#release(waiting);
    return waiting.message;
  }
}
