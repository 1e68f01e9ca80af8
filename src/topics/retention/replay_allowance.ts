import type { Clock } from "../../transport/clock.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";
import type { ControlMessage } from "../../resume/subprotocol.ts";
import type { TopicLog } from "./retained_messages.ts";

/** How long it takes until a used-up allowance is full again, in milliseconds. */
const REFILL_MS = 60_000;
/** The most addresses whose allowance is remembered: past it, the one that was charged longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

/** The bytes that an address had left at a time. */
interface Allowance {
  readonly left: number;
  readonly at: number;
}

/** The missed messages of a topic that a subscriber gets. */
export interface Replay {
  /** The position before the messages. */
  readonly from: Position;
  /** Whether it does not get all that it missed. */
  readonly isLost: boolean;
  readonly missed: readonly PublishedMessage[];
}

/** Limits replay by address and minute: a client could have the same messages sent again and again. */
export class ReplayAllowance {
  readonly #size: number;
  readonly #clock: Clock;
  /** The allowances that are not full, the one that was charged longest ago first. */
  readonly #allowances: Map<string, Allowance> = new Map();
  readonly #reads: Map<string, number> = new Map();
  readonly #readSize: number;

  /** @param readSize The most bytes that one read returns, if messages are read from a broker. */
  constructor(size: number, clock: Clock, readSize = 0) {
    this.#size = size;
    this.#clock = clock;
    this.#readSize = Math.min(readSize, size);
  }

  get addressCount(): number {
    return this.#allowances.size;
  }

  /** Whether to read for an address now; `"later"` if that depends on the reads in progress. */
  mayRead(address: string): "yes" | "later" | "no" {
    if (this.#roomOf(address) >= MESSAGE_COST) return "yes";
    return this.#reads.has(address) ? "later" : "no";
  }

  /** Begins a read for some addresses; returns how many bytes it may return. */
  beginRead(addresses: ReadonlySet<string>): number {
    let room = 0;
    for (const address of addresses) {
      room = Math.max(room, this.#roomOf(address));
      this.#reads.set(address, (this.#reads.get(address) ?? 0) + 1);
    }
    return room;
  }

  endRead(addresses: ReadonlySet<string>): void {
    for (const address of addresses) {
      const count = this.#reads.get(address)! - 1;
      if (count === 0) this.#reads.delete(address);
      else this.#reads.set(address, count);
    }
  }

  /** Charges bytes that were read and not delivered. If they exceed what is left, the rest is owed. */
  charge(address: string, cost: number): void {
    if (this.#size === Infinity || cost === 0) return;
    this.#set(address, this.#leftOf(address) - cost);
  }

  /** The bytes left for one more read if all reads in progress return as much as they can. */
  #roomOf(address: string): number {
    if (this.#size === Infinity) return Infinity;
    return this.#leftOf(address) - (this.#reads.get(address) ?? 0) * this.#readSize;
  }

  /** Returns the newest of the missed messages that the allowance has room for, and charges them. */
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
      // It is full by now, unless bytes were owed.
      const isOver = now - at >= REFILL_MS && this.#leftOf(oldest) >= this.#size;
      if (!isOver && this.#allowances.size <= MAX_ADDRESSES) return;
      this.#allowances.delete(oldest);
    }
  }
}

/** Creates the control message that is sent before the missed messages of a topic. */
export function controlOf(
  { topic, number }: TopicLog,
  { from, isLost }: Replay,
): ControlMessage {
  return { topic, number, position: formatPosition(from), isLost: isLost || undefined };
}
