/**
 * Shares the event loop among connections, so that none of them can keep the others, and all timers,
 * waiting. A turn is a turn of the event loop.
 *
 * What works for a peer counts its work with {@linkcode Turns.spend}. A connection that has worked for
 * 2 ms without a break is told to stop, and so are all after 10 ms of a turn. Those that stopped go on in the next
 * turn, before anything that arrives in it, in the order in which they stopped. {@linkcode Turns.handOut} and
 * {@linkcode Turns.rest} end turns, too.
 *
 * @module
 */

import { type Clock, systemClock } from "../transport/clock.ts";
import { Fifo } from "../fifo.ts";
import { setTimeout } from "../timers.ts";

/** How long all connections together may work in one turn, in milliseconds. */
const TURN_MS = 10;
/** How long no work begins while connections are accepted, in milliseconds: then there is a turn of work. */
const MAX_REST_MS = 5;
/** How long one connection may work without a break, in milliseconds. */
const MAX_SHARE_MS = 2;
/** The time in which all that wait have had their share, while that is shorter for it, in milliseconds. */
const ROUND_MS = 40;
/** The shortest share, in milliseconds: the first message compressed with another window takes a tenth longer. */
const MIN_SHARE_MS = 0.25;
/** After so many bytes of work the time is looked at: to look costs as much as some hundred bytes. */
const LOOK_COST = 16 * 1024;
/** The same while work is quick. */
const MAX_LOOK_COST = 128 * 1024;
/** Work is quick that takes less than this, in milliseconds, from one look at the time to the next. */
const QUICK_MS = 0.25;
/** If it took longer than this, in milliseconds, the time is looked at after the next message again. */
const SLOW_MS = 0.5;
/** How long quick work goes on before its turn is timed, in milliseconds: that costs short turns a few per cent. */
const MAX_UNTIMED_MS = 1;

/** How many bytes programs are given in one turn; to compress 1 MiB again takes some 4 ms. See `handOut`. */
const MAX_HANDED_OUT = 4 * 1024 * 1024;

/** What a message or a frame costs besides its bytes, in bytes. */
export const MESSAGE_WORK = 2048;
/** What a fragment costs besides its bytes, in bytes. */
export const FRAGMENT_WORK = 256;

/** How many bytes may wait for turns before large reads wait, too; one read of each may come on top. */
const MAX_WAITING_SIZE = 4 * 1024 * 1024;

/** What has work left. */
export interface TurnTaker {
  takeTurn(): void;
}

/** Calls back when the event loop has had a turn. */
let giveTurn: (callback: () => void) => void = (callback) => void setTimeout(callback, 0);

/** Has turns given by something quicker than a timer, which takes Node and Bun 1 ms: by what calls back once. */
export function giveTurnsBy(schedule: (callback: () => void) => void): void {
  giveTurn = schedule;
}

/** The turns of what goes by the same clock: all connections of a process do, but for tests. */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: Fifo<TurnTaker> = new Fifo();
  /** How much work there may be from one look at the time to the next, and what is left of that. */
  #lookCost = LOOK_COST;
  #left = LOOK_COST;
  #lookedAt = 0;
  /** Whether a turn was asked for: only then it is known how long the turn at hand has taken. */
  #isTimed = false;
  #beganAt = 0;
  #untimedSince = 0;
  /** Whether all have to stop: no work may begin in this turn any more. */
  isOver = false;
  /** Whether the next turn is to be one without work, and since when there have been such turns. */
  #mayRest = false;
  #restsSince: number | undefined;
  /** Who worked last, and since when. */
  #worker: TurnTaker | undefined;
  #workerBeganAt = 0;
  #next: PromiseWithResolvers<void> | undefined;
  #waitingSize = 0;
  #handedOut = 0;
  /** The bytes that those may bring that were allowed to read in this turn. */
  #allowedSize = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Counts work, as the number of bytes that take as long to be copied and looked at. Returns whether the share of
   * `taker`, if it is given, or the whole turn, is used up: it has to stop, and to wait for a turn.
   */
  spend(cost: number, taker?: TurnTaker): boolean {
    this.#left -= cost;
    return this.#left <= 0 && this.#look(taker);
  }

  /** Counts a message that a program deals with once what runs has returned, which can't be measured. */
  handOut(size: number): void {
    this.#handedOut += size;
    if (this.#handedOut <= MAX_HANDED_OUT) return;
    this.#startTiming();
    this.#end();
  }

  /**
   * Has the next turn pass without work, so that the one behind it comes at once: for an event loop that accepts
   * one connection a turn, as libuv does since 1.46. Behind one that was accepted more may wait, and the last
   * of a crowd of 500 would wait for 500 turns of work. Two thirds of the time are left for work.
   */
  rest(): void {
    this.#mayRest = true;
  }

  /** Calls `taker.takeTurn()` in one of the next turns, behind those that wait already. */
  wait(taker: TurnTaker): void {
    this.#waiting.push(taker);
    this.#startTiming();
  }

  /** Notes by how much the bytes have changed that somebody holds while it waits. */
  countWaiting(change: number): void {
    this.#waitingSize += change;
  }

  /** Whether so many bytes may be read, if they may have to wait for a turn. */
  mayRead(size: number): boolean {
    if (this.#waitingSize + this.#allowedSize > MAX_WAITING_SIZE) return false;
    if (this.#waitingSize > 0) this.#allowedSize += size;
    return true;
  }

  /** Resolves in the next turn. */
  next(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = Promise.withResolvers();
      this.#startTiming();
    }
    return this.#next.promise;
  }

  #startTiming(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#beganAt = this.#clock.now();
    giveTurn(this.#begin);
  }

  #look(taker: TurnTaker | undefined): boolean {
    if (this.isOver) return true;
    const now = this.#clock.now();
    const tookMs = now - this.#lookedAt;
    this.#lookedAt = now;
    const isSameWorker = this.#isTimed && (taker === undefined || taker === this.#worker);
    this.#left = this.#lookCost = isSameWorker && tookMs > SLOW_MS
      ? MESSAGE_WORK
      : Math.min(this.#lookCost * 2, tookMs < QUICK_MS ? MAX_LOOK_COST : LOOK_COST);
    if (!this.#isTimed) {
      if (tookMs < QUICK_MS && now - this.#untimedSince < MAX_UNTIMED_MS) return false;
      this.#startTiming();
    }
    if (!isSameWorker) {
      this.#worker = taker;
      this.#workerBeganAt = now;
    }
    if (now - this.#beganAt >= TURN_MS) this.#end();
    return this.isOver || (taker !== undefined && now - this.#workerBeganAt >= this.#shareMs());
  }

  #end(): void {
    this.isOver = true;
    this.#left = 0;
  }

  /** While many wait, each gets less, so that all of them have had some after a few turns. */
  #shareMs(): number {
    const share = ROUND_MS / (this.#waiting.length + 1);
    return Math.max(MIN_SHARE_MS, Math.min(MAX_SHARE_MS, share));
  }

  #rests(): boolean {
    const since = this.#restsSince;
    const now = this.#clock.now();
    const rests = this.#mayRest && (since === undefined || now - since < MAX_REST_MS);
    this.#mayRest = false;
    this.#restsSince = rests ? since ?? now : undefined;
    if (!rests) return false;
    this.#end();
    giveTurn(this.#begin);
    return true;
  }

  readonly #begin = (): void => {
    if (this.#rests()) return;
    const waiting = this.#waiting;
    // Those that stop again, behind these, wait for another turn.
    let count = waiting.length;
    this.isOver = false;
    this.#isTimed = count > 0;
    this.#worker = undefined;
    this.#left = this.#lookCost;
    this.#allowedSize = this.#handedOut = 0;
    const next = this.#next;
    this.#next = undefined;
    next?.resolve();
    const clock = this.#clock;
    this.#beganAt =
      this.#untimedSince =
      this.#workerBeganAt =
      this.#lookedAt =
        clock.now();
    if (count === 0) return;
    giveTurn(this.#begin);
    for (; count > 0 && !this.isOver; count--) {
      this.#worker = waiting.shift()!;
      this.#worker.takeTurn();
      const now = this.#workerBeganAt = this.#lookedAt = clock.now();
      if (now - this.#beganAt >= TURN_MS) this.#end();
    }
  };
}

export const systemTurns: Turns = new Turns(systemClock);
