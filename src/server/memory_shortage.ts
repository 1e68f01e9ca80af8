import type { BudgetMember } from "../connection/budget.ts";
import { queueMicrotask } from "../timers.ts";
import type { MemoryBudget } from "./memory_budget.ts";

/** How long a member may hold more than its share while others need the memory, in milliseconds. */
const PATIENCE_MS = 2_000;
/** While members wait, how often to check which of them may go on, in milliseconds. */
const TICK_MS = 50;
/** The most turns at once: all members with a turn are checked whenever memory is given back. */
const MAX_TURNS = 64;
/** About what one read brings. */
const READ_SIZE = 64 * 1024;

/** What a member holds: alone, and together with others. */
interface Holder {
  readonly member: BudgetMember;
  readonly held: number;
  readonly shared: number;
}

/**
 * Says who waits, and who is closed, if connections and handshakes hold more than half of their budget:
 *
 * 1. Past half of it, members that hold more than their share (that half, divided by all) are read from by
 *    turns: as many at once as the other half has room for whole messages, but 64 at most, in the order in which
 *    they asked. One that stays above its share for two seconds, in its turn or waiting for it, is closed.
 * 2. Past all of it, those that hold the most are closed at once. What several hold together, such as a
 *    message of a topic that they don't read, counts for each in part; if that is not enough, as a whole.
 */
export class MemoryShortage {
  readonly #budget: MemoryBudget;
  /** The members that have their turn, and since when. */
  readonly #turns: Map<BudgetMember, number> = new Map();
  /** The members that wait for their turn, and since when. */
  readonly #waiting: Map<BudgetMember, number> = new Map();
  #isReliefDue = false;
  #timer: unknown;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get isWaitedFor(): boolean {
    return this.#waiting.size > 0;
  }

  mustWait(member: BudgetMember, held: number): boolean {
    if (held <= this.#budget.share) {
      this.#waiting.delete(member);
      return false;
    }
    if (this.#turns.has(member)) return false;
    if (this.#waiting.has(member)) return true;
    this.#timer ??= this.#budget.clock.setTimeout(() => this.#tick(), TICK_MS);
    const isFirst = this.#waiting.size === 0 && this.#turns.size < this.#maxTurns;
    (isFirst ? this.#turns : this.#waiting).set(member, this.#budget.clock.now());
    return !isFirst;
  }

  leave(member: BudgetMember): void {
    this.#turns.delete(member);
    this.#waiting.delete(member);
    if (this.#waiting.size > 0) this.scheduleRelief();
    if (this.#turns.size + this.#waiting.size > 0) return;
    this.#budget.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #maxTurns(): number {
    return Math.max(
      1,
      Math.min(MAX_TURNS, Math.floor(this.#budget.half / this.#budget.maxMessageSize)),
    );
  }

  /**
   * Closes members, or lets them go on, as is due: not at once, since the one that counts may be in the midst of
   * something, and be among those that are closed.
   */
  scheduleRelief(): void {
    if (this.#isReliefDue) return;
    this.#isReliefDue = true;
    queueMicrotask(() => {
      this.#isReliefDue = false;
      if (this.#budget.held > this.#budget.limit) this.#shedLargest();
      this.#giveTurns();
    });
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#budget.isShort) this.#shedImpatient();
    this.#giveTurns();
    if (this.#turns.size + this.#waiting.size === 0) return;
    this.#timer = this.#budget.clock.setTimeout(() => this.#tick(), TICK_MS);
  }

  #giveTurns(): void {
    const share = this.#budget.share;
    const { isShort } = this.#budget;
    for (const member of this.#turns.keys()) {
      if (!isShort || member.recountHeld() <= share) this.#turns.delete(member);
    }
    // Not all at once when there is room again: each of them brings one read before it is asked.
    let room = isShort
      ? this.#maxTurns - this.#turns.size
      : Math.max(1, Math.floor((this.#budget.half - this.#budget.held) / READ_SIZE));
    for (const member of this.#waiting.keys()) {
      if (room-- <= 0) break;
      this.#waiting.delete(member);
      if (isShort) this.#turns.set(member, this.#budget.clock.now());
      member.continueReceiving();
    }
  }

  #shedImpatient(): void {
    const before = this.#budget.clock.now() - PATIENCE_MS;
    const share = this.#budget.share;
    for (const group of [this.#turns, this.#waiting]) {
      for (const [member, since] of group) {
        if (since > before) break;
        if (member.recountHeld() > share) member.shed();
      }
    }
  }

  #shedLargest(): void {
    const members = this.#budget.members.flatMap((group) => [...group])
      .map((member) => {
        const held = member.recountHeld();
        return { member, held, shared: member.retainedSize - held };
      });
    if (this.#budget.held <= this.#budget.limit) return;
    // What several hold together counts in part for each: as if each byte of it had as many holders.
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
    const allShared = this.#budget.held - sum(members.map(({ held }) => held));
    const part = allShared / Math.max(1, sum(members.map(({ shared }) => shared)));
    const left = this.#shedBy((member) => member.held + member.shared * Math.min(1, part), members);
    // Still too much: a shared byte is freed only with its last holder, so all of it counts for each of them now.
    if (this.#budget.held > this.#budget.limit) {
      this.#shedBy((member) => member.held + member.shared, left);
    }
  }

  /** Sheds the largest until there is room, but none with no more than its share. Returns the others. */
  #shedBy(sizeOf: (holder: Holder) => number, holders: Holder[]): Holder[] {
    // Somewhat more than needed: the next look at all of them is not due at once.
    const enough = this.#budget.limit * 7 / 8;
    // All those with no more than their share hold no more than half of it together.
    const share = this.#budget.share;
    const sorted = holders.toSorted((a, b) => sizeOf(b) - sizeOf(a));
    for (const [i, holder] of sorted.entries()) {
      if (this.#budget.held <= enough || sizeOf(holder) <= share) return sorted.slice(i);
      holder.member.shed();
    }
    return [];
  }
}
