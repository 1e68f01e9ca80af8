import type { Clock } from "../../transport/clock.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";

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

  /** How many reads are under way for each address. */
  readonly #reads: Map<string, number> = new Map();
  readonly #readSize: number;

  /**
   * @param size The bytes in a minute.
   * @param readSize The bytes that are read at once at most, where they are read from elsewhere.
   */
  constructor(size: number, clock: Clock, readSize = 0) {
    this.#size = size;
    this.#clock = clock;
    this.#readSize = Math.min(readSize, size);
  }

  /** The addresses that are kept in mind. */
  get addressCount(): number {
    return this.#allowances.size;
  }

  /**
   * Whether something may be read for an address at the moment; `"later"` where it has to be known first
   * what those reads bring that are under way.
   */
  mayRead(address: string): "yes" | "later" | "no" {
    if (this.#roomOf(address) >= MESSAGE_COST) return "yes";
    return this.#reads.has(address) ? "later" : "no";
  }

  /** Begins a read for some addresses; gives how many bytes it may bring. */
  beginRead(addresses: ReadonlySet<string>): number {
    let room = 0;
    for (const address of addresses) {
      room = Math.max(room, this.#roomOf(address));
      this.#reads.set(address, (this.#reads.get(address) ?? 0) + 1);
    }
    return room;
  }

  /** Ends a read. */
  endRead(addresses: ReadonlySet<string>): void {
    for (const address of addresses) {
      const count = this.#reads.get(address)! - 1;
      if (count === 0) this.#reads.delete(address);
      else this.#reads.set(address, count);
    }
  }

  /** Takes from the allowance what was read and not given; what is more than there was is owed. */
  charge(address: string, cost: number): void {
    if (this.#size === Infinity || cost === 0) return;
    this.#set(address, this.#leftOf(address) - cost);
  }

  /** What is left for one more read, where all that are under way bring as much as they can. */
  #roomOf(address: string): number {
    if (this.#size === Infinity) return Infinity;
    return this.#leftOf(address) - (this.#reads.get(address) ?? 0) * this.#readSize;
  }

  /** Takes from the allowance what a subscriber missed, or of it as many of the newest as there is room for. */
  take(subscriber: Subscriber, replay: Replay): Replay {
    const { missed } = replay;
    if (this.#size === Infinity || missed.length === 0) return replay;
    let left = this.#leftOf(subscriber.address);
    let index = missed.length;
    while (index > 0) {
      const cost = missed[index - 1]!.size + MESSAGE_COST;
      if (cost > left) break;
      left -= cost;
      index--;
    }
    this.#set(subscriber.address, left);
    if (index === 0) return replay;
    return { from: missed[index - 1]!.position!, isLost: true, missed: missed.slice(index) };
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
      // By now it is whole again, unless something was owed.
      const isOver = now - at >= REFILL_MS && this.#leftOf(oldest) >= this.#size;
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
  readonly isLost?: boolean | undefined;
} {
  return { topic, number, position: formatPosition(from), isLost: isLost || undefined };
}
