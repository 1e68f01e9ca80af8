import { checkInteger } from "../checks.ts";
import type { Budget, BudgetMember } from "../connection/budget.ts";
import type { Clock } from "../transport/clock.ts";
import { withDefaults } from "../connection/options.ts";
import type { HostOptions } from "./options.ts";
import { queueMicrotask } from "../timers.ts";

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

/** How long a member may hold more than its share while others need the memory, in milliseconds. */
const PATIENCE_MS = 2_000;
/** While members wait, how often to check which of them may go on, in milliseconds. */
const TICK_MS = 50;
/** The most turns at once: all members with a turn are checked whenever memory is given back. */
const MAX_TURNS = 64;
/** The range of the budget that is not given: what follows from `maxMessageSize` is bounded. */
const MIN_DEFAULT_SIZE = 16 * 1024 * 1024;
const MAX_DEFAULT_SIZE = 256 * 1024 * 1024;
/** About what one read brings. */
const READ_SIZE = 64 * 1024;

/** What a member holds: alone, and together with others. */
interface Holder {
  readonly member: BudgetMember;
  readonly held: number;
  readonly shared: number;
}

/**
 * Keeps the bytes that connections and handshakes hold together within a budget:
 *
 * 1. While half of it is in use, no member is hindered.
 * 2. Past half of it, members that hold more than their share (that half, divided by all) are read from by
 *    turns: as many at once as the other half has room for whole messages, but 64 at most. Who asked
 *    first comes first. Who stays above its share for two seconds, in its turn or waiting for it, is closed.
 * 3. Past all of it, those that hold the most are closed at once. What several hold together, such as a
 *    message of a topic that they don't read, counts for each in part; if that is not enough, as a whole.
 */
export class MemoryBudget implements Budget {
  readonly #size: number;
  readonly #sizePerMember: number;
  readonly #maxMessageSize: number;
  readonly #members: ReadonlySet<BudgetMember>[];
  readonly #clock: Clock;
  #held = 0;
  /** Whose turn it is, and since when. */
  readonly #turns: Map<BudgetMember, number> = new Map();
  /** Who waits for its turn, and since when. */
  readonly #waiting: Map<BudgetMember, number> = new Map();
  #isSettlingDue = false;
  #timer: unknown;

  /**
   * Creates a budget of which nothing is used.
   *
   * @param members Those who hold what is counted.
   */
  constructor(
    { size, sizePerConnection }: MemoryBudgetOptions,
    maxMessageSize: number,
    members: ReadonlySet<BudgetMember>[],
    clock: Clock,
  ) {
    this.#size = size;
    this.#sizePerMember = sizePerConnection;
    this.#maxMessageSize = maxMessageSize;
    this.#members = members;
    this.#clock = clock;
  }

  /** The bytes that are in use. */
  get held(): number {
    return this.#held;
  }

  get isShort(): boolean {
    // The first comparison, without a look at the members, is all there is while little is in use.
    return this.#held > this.#size / 2 && this.#held > this.#half;
  }

  count(change: number): void {
    this.#held += change;
    if (this.#waiting.size > 0 || (this.#held > this.#size && this.#held > this.limit)) {
      this.#scheduleSettling();
    }
  }

  mustWait(member: BudgetMember, held: number): boolean {
    if (held <= this.share) {
      this.#waiting.delete(member);
      return false;
    }
    if (this.#turns.has(member)) return false;
    if (this.#waiting.has(member)) return true;
    this.#timer ??= this.#clock.setTimeout(() => this.#tick(), TICK_MS);
    const isFirst = this.#waiting.size === 0 && this.#turns.size < this.#maxTurns;
    (isFirst ? this.#turns : this.#waiting).set(member, this.#clock.now());
    return !isFirst;
  }

  leave(member: BudgetMember): void {
    this.#turns.delete(member);
    this.#waiting.delete(member);
    if (this.#waiting.size > 0) this.#scheduleSettling();
    if (this.#turns.size + this.#waiting.size > 0) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #memberCount(): number {
    return this.#members.reduce((sum, { size }) => sum + size, 0);
  }

  get limit(): number {
    return this.#size + this.#sizePerMember * this.#memberCount;
  }

  get #half(): number {
    return this.limit / 2;
  }

  get share(): number {
    return this.#half / this.#memberCount;
  }

  get #maxTurns(): number {
    return Math.max(1, Math.min(MAX_TURNS, Math.floor(this.#half / this.#maxMessageSize)));
  }

  // Not at once: who counts may be in the midst of something, and be among those that are closed.
  #scheduleSettling(): void {
    if (this.#isSettlingDue) return;
    this.#isSettlingDue = true;
    queueMicrotask(() => {
      this.#isSettlingDue = false;
      if (this.#held > this.limit) this.#shedLargest();
      this.#giveTurns();
    });
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.isShort) this.#shedImpatient();
    this.#giveTurns();
    if (this.#turns.size + this.#waiting.size === 0) return;
    this.#timer = this.#clock.setTimeout(() => this.#tick(), TICK_MS);
  }

  #giveTurns(): void {
    const share = this.share;
    const { isShort } = this;
    for (const member of this.#turns.keys()) {
      if (!isShort || member.recountHeld() <= share) this.#turns.delete(member);
    }
    // Not all at once when there is room again: each of them brings one read before it is asked.
    let room = isShort
      ? this.#maxTurns - this.#turns.size
      : Math.max(1, Math.floor((this.#half - this.#held) / READ_SIZE));
    for (const member of this.#waiting.keys()) {
      if (room-- <= 0) break;
      this.#waiting.delete(member);
      if (isShort) this.#turns.set(member, this.#clock.now());
      member.continueReceiving();
    }
  }

  #shedImpatient(): void {
    const before = this.#clock.now() - PATIENCE_MS;
    const share = this.share;
    for (const group of [this.#turns, this.#waiting]) {
      for (const [member, since] of group) {
        if (since > before) break;
        if (member.recountHeld() > share) member.shed();
      }
    }
  }

  #shedLargest(): void {
    const members = this.#members.flatMap((group) => [...group])
      .map((member) => {
        const held = member.recountHeld();
        return { member, held, shared: member.retainedSize - held };
      });
    if (this.#held <= this.limit) return;
    // What several hold together counts in part for each: as if each byte of it had as many holders.
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
    const allShared = this.#held - sum(members.map(({ held }) => held));
    const part = allShared / Math.max(1, sum(members.map(({ shared }) => shared)));
    const left = this.#shedBy((member) => member.held + member.shared * Math.min(1, part), members);
    // Still too much: a shared byte is freed only with its last holder, so all of it counts for each of them now.
    if (this.#held > this.limit) this.#shedBy((member) => member.held + member.shared, left);
  }

  /** Sheds the largest until there is room, but none with no more than its share. Returns the others. */
  #shedBy(sizeOf: (holder: Holder) => number, holders: Holder[]): Holder[] {
    // Somewhat more than needed: the next look at all of them is not due at once.
    const enough = this.limit * 7 / 8;
    // All those with no more than their share hold no more than half of it together.
    const share = this.share;
    const sorted = holders.toSorted((a, b) => sizeOf(b) - sizeOf(a));
    for (const [i, holder] of sorted.entries()) {
      if (this.#held <= enough || sizeOf(holder) <= share) return sorted.slice(i);
      holder.member.shed();
    }
    return [];
  }
}

/**
 * Checks a budget, and fills in the defaults; gives `undefined` for none.
 *
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If it is neither an object nor `false`.
 */
export function resolveMemoryBudget(
  given: HostOptions["memoryBudget"] = {},
  maxMessageSize: number,
  contextSize = 0,
): MemoryBudgetOptions | undefined {
  if (given === false) return undefined;
  const budget = withDefaults<MemoryBudgetOptions>("memoryBudget", given, {
    size: defaultSize(maxMessageSize),
    // What all connections keep must not be what makes memory short: that begins at half of it.
    sizePerConnection: 32 * 1024 + 2 * contextSize,
  }, "false");
  checkInteger("memoryBudget.size", budget.size, 1);
  checkInteger("memoryBudget.sizePerConnection", budget.sizePerConnection, 0);
  return budget;
}

function defaultSize(maxMessageSize: number): number {
  if (maxMessageSize === Infinity) return MIN_DEFAULT_SIZE;
  return Math.min(Math.max(MIN_DEFAULT_SIZE, 4 * maxMessageSize), MAX_DEFAULT_SIZE);
}
