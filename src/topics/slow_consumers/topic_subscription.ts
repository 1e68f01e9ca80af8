import { CloseCode } from "../../codec/close_code.ts";
import { Fifo } from "../../fifo.ts";
import { checkInteger, checkOneOf } from "../../checks.ts";
import { checkCloseStatus } from "../../protocol/close_payload.ts";
import type { Position } from "../../resume/position.ts";
import { type PresenceClaim, resolvePresenceClaim } from "../presence/claim.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import type { LagPolicy, SubscribeOptions, Subscription } from "../fan_out/subscription.ts";

const POLICIES: readonly LagPolicy[] = ["close", "drop-oldest", "drop-newest", "latest"];

/** The cost of a waiting message besides the message, in bytes. */
const WAITING_COST = 64;

interface Waiting {
  readonly message: PublishedMessage;
  readonly sequence: number;
  readonly size: number;
  /** Whether the client missed it while it was away. */
  readonly isMissed: boolean;
}

/** The options of a subscription, checked and complete. */
export interface SubscriptionSettings {
  readonly lag: LagPolicy;
  readonly queueSize: number;
  readonly closeCode: number;
  /** Its part in presence: as a member, or to watch; `undefined` if it has none. */
  readonly presence: PresenceClaim | undefined;
}

/** @throws {RangeError | TypeError} If an option is out of its range, too long, or of another type. */
export function resolveSubscription(options: SubscribeOptions): SubscriptionSettings {
  const { lag = "close", queueSize = 1024 * 1024, closeCode = CloseCode.TryAgainLater } = options;
  checkOneOf("lag", lag, POLICIES);
  checkInteger("queueSize", queueSize, 0);
  checkCloseStatus({ closeCode, reason: "" });
  return { lag, queueSize, closeCode, presence: resolvePresenceClaim(options.presence) };
}

/** One connection's subscription to one topic, and its messages that wait until the connection has room. */
export class TopicSubscription implements Subscription {
  readonly topic: string;
  readonly subscriber: Subscriber;
  #settings: SubscriptionSettings;
  /** The waiting messages, with all policies but `"latest"`. */
  #waiting: Fifo<Waiting> | undefined;
  /** With `"latest"`, the last message of each slot, in the order they came. */
  #latest: Map<string, Waiting> | undefined;
  #size = 0;
  /** The part of `#size` that was missed: `queueSize` does not limit it, but the replay allowance does. */
  #missedSize = 0;
  #dropped = 0;
  /** The position from earlier connections, until it is known what was missed: new messages come after that. */
  resumeFrom: Position | undefined;

  constructor(topic: string, subscriber: Subscriber, settings: SubscriptionSettings) {
    this.topic = topic;
    this.subscriber = subscriber;
    this.#settings = settings;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get presence(): PresenceClaim | undefined {
    return this.#settings.presence;
  }

  /** The sequence number of the message that has waited longest; `Infinity` if none waits. */
  get firstSequence(): number {
    if (this.#waiting !== undefined) return this.#waiting.peek()?.sequence ?? Infinity;
    if (this.#latest === undefined || this.#latest.size === 0) return Infinity;
    return this.#latest.values().next().value!.sequence;
  }

  /** Changes the settings; messages that may not wait any longer are dropped and counted. */
  update(settings: SubscriptionSettings): void {
    const { lag, queueSize } = this.#settings;
    this.#settings = settings;
    const isSame = lag === settings.lag && queueSize === settings.queueSize;
    const { sink } = this.subscriber;
    // On a closing connection, waiting messages were accepted before.
    if (isSame || this.firstSequence === Infinity || !sink.isOpen) return;
    for (const each of this.#takeAll()) {
      // Held again before it is released, so that its memory stays counted.
      if (sink.isOpen) this.#admit(each);
      else this.#drop();
      this.#release(each);
    }
  }

  /** Drops all waiting messages, and counts them. */
  dropAll(): void {
    for (const waiting of this.#takeAll()) {
      this.#release(waiting);
      this.#drop();
    }
  }

  /** Releases all messages without counting them, when the subscription or the connection has ended. */
  clear(): void {
    for (const waiting of this.#takeAll()) this.#release(waiting);
  }

  /** Removes and returns all waiting messages in order; they still count as held. */
  #takeAll(): Waiting[] {
    const all: Waiting[] = [...this.#latest?.values() ?? []];
    for (let next; (next = this.#waiting?.shift()) !== undefined;) all.push(next);
    this.#waiting = this.#latest = undefined;
    this.#size = this.#missedSize = 0;
    return all;
  }

  /** Takes a message that the peer is too slow for. Returns whether to send it, or else whether any wait. */
  wait(message: PublishedMessage, sequence: number, isMissed: boolean): "send" | "waits" | "none" {
    const { size } = message;
    // Missed messages wait however many they are, and so must those behind them.
    if (this.#settings.lag === "close" && !isMissed && this.firstSequence === Infinity) {
      if (this.subscriber.sink.hasRoomForLength(size)) return "send";
      this.#closeSlow();
      return "none";
    }
    return this.#admit({ message, sequence, size, isMissed }) ? "waits" : "none";
  }

  /** Queues a message as the policy says; tells whether any wait. */
  #admit(waiting: Waiting): boolean {
    switch (this.#settings.lag) {
      case "close":
        if (this.#hasRoomFor(waiting)) return this.#queue(waiting);
        this.#closeSlow();
        return false;
      case "latest": {
        // First, since it copies the slot's text, which may be a slice of a larger one.
        this.#hold(waiting);
        const latest = this.#latest ??= new Map();
        const { slot } = waiting.message;
        const before = latest.get(slot);
        if (before !== undefined) {
          latest.delete(slot);
          this.#drop();
          this.#release(before);
        }
        latest.set(slot, waiting);
        return true;
      }
      default:
        return this.#queue(waiting);
    }
  }

  #closeSlow(): void {
    this.subscriber.sink.closeAtOnce({
      closeCode: this.#settings.closeCode,
      reason: "The peer reads too slowly for a topic",
    });
    this.#drop();
    // They are lost with the connection.
    this.clear();
  }

  /** Queues a message behind others, and drops what is too much; tells whether any wait. */
  #queue(waiting: Waiting): boolean {
    const queue = this.#waiting ??= new Fifo();
    if (this.#settings.lag === "drop-newest" && !this.#hasRoomFor(waiting)) {
      this.#drop();
    } else {
      queue.push(waiting);
      this.#count(waiting, 1);
    }
    while (this.#size - this.#missedSize > this.#settings.queueSize) {
      this.#count(queue.shift()!, -1);
      this.#drop();
    }
    return queue.length > 0;
  }

  #hasRoomFor({ size, isMissed }: Waiting): boolean {
    return isMissed || this.#size - this.#missedSize + size <= this.#settings.queueSize;
  }

  #count(waiting: Waiting, sign: 1 | -1): void {
    const { size, isMissed } = waiting;
    this.#size += sign * size;
    if (isMissed) this.#missedSize += sign * size;
    if (sign === 1) this.#hold(waiting);
    else this.#release(waiting);
  }

  #hold({ message, size }: Waiting): void {
    message.hold(this.subscriber.fanOut.tally);
    this.subscriber.heldSize += WAITING_COST + size;
    this.subscriber.fanOut.tally.count(WAITING_COST);
  }

  #release({ message, size }: Waiting): void {
    message.release();
    this.subscriber.heldSize -= WAITING_COST + size;
    this.subscriber.fanOut.tally.count(-WAITING_COST);
  }

  #drop(): void {
    this.#dropped++;
    this.subscriber.fanOut.dropped++;
  }

  /** Removes and returns the message that has waited longest. */
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
