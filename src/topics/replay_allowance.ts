import type { Clock } from "../connection/clock.ts";
import type { Subscriber } from "../connection/subscriber.ts";
import { formatPosition, type Position } from "../resume/position.ts";
import { MESSAGE_COST } from "./message_cost.ts";
import type { PublishedMessage } from "./published_message.ts";

/** In what time an allowance that is used up is whole again, in milliseconds. */
const REFILL_MS = 60_000;
/** The most addresses that are kept in mind: past it, that which came back the longest time ago is not. */
const MAX_ADDRESSES = 10_000;

/** What is left to an address. */
interface Allowance {
  readonly left: number;
  readonly at: number;
}

/** What a subscriber gets of a topic that it comes back to. */
export interface Replay {
  /** The place that the messages come behind. */
  readonly from: Position;
  /** Whether it does not get all. */
  readonly isLost: boolean;
  readonly missed: readonly PublishedMessage[];
}

/**
 * What clients that come back may get of messages that they missed: so many bytes in a minute for all of
 * one address together, which are there at once, and again as time goes by. A client says by itself how
 * far it got, so one that always says the same would get the same again and again.
 */
export class ReplayAllowance {
  readonly #size: number;
  readonly #clock: Clock;
  /** Those of which something is used up: first those that came back the longest time ago. */
  readonly #allowances: Map<string, Allowance> = new Map();

  /** @param size The bytes in a minute. */
  constructor(size: number, clock: Clock) {
    this.#size = size;
    this.#clock = clock;
  }

  /** The addresses that are kept in mind. */
  get addressCount(): number {
    return this.#allowances.size;
  }

  /** Whether a subscriber may get anything at the moment. */
  has({ address }: Subscriber): boolean {
    return this.#leftOf(address) >= MESSAGE_COST;
  }

  /** Takes from the allowance what a subscriber missed, or of it as many of the newest as there is room for. */
  take(subscriber: Subscriber, replay: Replay): Replay {
    const { missed } = replay;
    if (this.#size === Infinity || missed.length === 0) return replay;
    let left = this.#leftOf(subscriber.address);
    let index = missed.length;
    while (index > 0) {
      const cost = missed[index - 1].size + MESSAGE_COST;
      if (cost > left) break;
      left -= cost;
      index--;
    }
    this.#set(subscriber.address, left);
    if (index === 0) return replay;
    return { from: missed[index - 1].position!, isLost: true, missed: missed.slice(index) };
  }

  #leftOf(address: string): number {
    const allowance = this.#allowances.get(address);
    if (allowance === undefined) return this.#size;
    const refilled = (this.#clock.now() - allowance.at) / REFILL_MS * this.#size;
    return Math.min(this.#size, allowance.left + refilled);
  }

  #set(address: string, left: number): void {
    const now = this.#clock.now();
    this.#allowances.delete(address);
    this.#allowances.set(address, { left, at: now });
    for (const [oldest, { at }] of this.#allowances) {
      // By now it is whole again, whatever was used up.
      const isOver = now - at >= REFILL_MS;
      if (!isOver && this.#allowances.size <= MAX_ADDRESSES) return;
      this.#allowances.delete(oldest);
    }
  }
}

/** Gives the note that goes before what a subscriber gets of a topic. */
export function noteOf(topic: string, number: number, { from, isLost }: Replay): {
  readonly topic: string;
  readonly number: number;
  readonly position: string;
  readonly isLost?: boolean;
} {
  return { topic, number, position: formatPosition(from), isLost: isLost || undefined };
}
