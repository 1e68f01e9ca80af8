import type { Budget, BudgetMember } from "../connection/budget.ts";
import type { Countable } from "../linked_list.ts";
import type { Clock } from "../transport/clock.ts";
import { rest } from "./load_parts.ts";
import type { MemoryShortage } from "./memory_shortage.ts";

/** What all connections of a server together may hold. */
export interface MemoryBudgetOptions {
  /**
   * The bytes there are in any case: 1 or more, or `Infinity`.
   *
   * @default {16777216}, or four times the largest message or request body if that is more: up to
   * 268,435,456. It does not follow a limit of more than 64 MiB, nor one of `Infinity`: messages of that size
   * are for streams; programs that want them whole say how much memory there is for them.
   */
  size: number;
  /**
   * The bytes that each connection adds: 0 or more, or `Infinity`.
   *
   * @default {32768}, and twice what the windows of a connection take with `contextTakeover`
   */
  sizePerConnection: number;
}

/**
 * Counts the bytes that connections and handshakes hold together. While half of the budget is in use, no member
 * is hindered; past it, {@linkcode MemoryShortage} says who waits, and who is closed.
 */
export class MemoryBudget implements Budget {
  readonly clock: Clock;
  readonly members: Countable<BudgetMember>[];
  readonly maxMessageSize: number;
  readonly #size: number;
  readonly #sizePerMember: number;
  held = 0;
  /** Set once memory was short. */
  #shortage: MemoryShortage | undefined;

  constructor(
    { size, sizePerConnection }: MemoryBudgetOptions,
    maxMessageSize: number,
    members: Countable<BudgetMember>[],
    clock: Clock,
  ) {
    this.#size = size;
    this.#sizePerMember = sizePerConnection;
    this.maxMessageSize = maxMessageSize;
    this.members = members;
    this.clock = clock;
  }

  get isShort(): boolean {
    // The first comparison, without a look at the members, is all there is while little is in use.
    return this.held > this.#size / 2 && this.held > this.half;
  }

  count(change: number): void {
    this.held += change;
    if (
      this.#shortage?.isWaitedFor || (this.held > this.#size && this.held > this.limit)
    ) {
      this.#getShortage().scheduleRelief();
    }
  }

  mustWait(member: BudgetMember, held: number): boolean {
    return this.#getShortage().mustWait(member, held);
  }

  leave(member: BudgetMember): void {
    if (this.#shortage !== undefined) this.#shortage.leave(member);
  }

  #getShortage(): MemoryShortage {
    return this.#shortage ??= new rest.MemoryShortage(this);
  }

  get #memberCount(): number {
    return this.members.reduce((sum, { size }) => sum + size, 0);
  }

  get limit(): number {
    return this.#size + this.#sizePerMember * this.#memberCount;
  }

  /** The bytes past which memory is short. */
  get half(): number {
    return this.limit / 2;
  }

  get share(): number {
    return this.half / this.#memberCount;
  }
}
