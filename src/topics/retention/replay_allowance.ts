import type { Clock } from "../../transport/clock.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";

/** The time in which a used-up allowance is whole again, in milliseconds. */
const REFILL_MS = 60_000;
/** The most addresses with an allowance of their own: past it, the one that came back longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

/** The bytes that are left to an address. */
interface Allowance {
  readonly left: number;
  readonly at: number;
}

/** What a subscriber gets of a topic that it comes back to. */
export interface Replay {
  /** The position that the messages come behind. */
  readonly from: Position;
  /** Whether it does not get all that it missed. */
  readonly isLost: boolean;
  readonly missed: readonly PublishedMessage[];
}

/**
 * Limits the missed messages that clients get when they come back: to a number of bytes a minute for all clients
 * of one address. A client says itself how far it got, so one that always says the same would get the same
 * messages again and again.
 */
export class ReplayAllowance {
  readonly #size: number;
  readonly #clock: Clock;
  /** The allowances that are not whole; those of clients that came back longest ago come first. */
  readonly #allowances: Map<string, Allowance> = new Map();

  /** The number of reads under way for each address. */
  readonly #reads: Map<string, number> = new Map();
  readonly #readSize: number;

  /**
   * @param size The bytes in a minute.
   * @param readSize The most bytes that one read brings, if messages are read from elsewhere.
   */
  constructor(size: number, clock: Clock, readSize = 0) {
    this.#size = size;
    this.#clock = clock;
    this.#readSize = Math.min(readSize, size);
  }

  /** The number of addresses whose allowance is not whole. */
  get addressCount(): number {
    return this.#allowances.size;
  }

  /**
   * Whether something may be read for an address at the moment; `"later"` if that depends on what the reads
   * under way bring.
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

  /** Charges what was read and not delivered; it may exceed what is left, and is owed then. */
  charge(address: string, cost: number): void {
    if (this.#size === Infinity || cost === 0) return;
    this.#set(address, this.#leftOf(address) - cost);
  }

  /** The bytes left for one more read if all reads under way bring as much as they can. */
  #roomOf(address: string): number {
    if (this.#size === Infinity) return Infinity;
    return this.#leftOf(address) - (this.#reads.get(address) ?? 0) * this.#readSize;
  }

  /** Charges what a subscriber missed; of that, gives the newest messages that the allowance has room for. */
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
      // It is whole by now, unless something was owed.
      const isOver = now - at >= REFILL_MS && this.#leftOf(oldest) >= this.#size;
      if (!isOver && this.#allowances.size <= MAX_ADDRESSES) return;
      this.#allowances.delete(oldest);
    }
  }
}

/** Gives the control message that goes before what a subscriber gets of a topic. */
export function controlOf(topic: string, number: number, { from, isLost }: Replay): {
  readonly topic: string;
  readonly number: number;
  readonly position: string;
  readonly isLost?: boolean | undefined;
} {
  return { topic, number, position: formatPosition(from), isLost: isLost || undefined };
}
