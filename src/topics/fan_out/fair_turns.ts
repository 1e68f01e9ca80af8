/** Waits for a turn. */
export interface FairTurnTaker {
  /**
   * Takes the turn.
   *
   * @returns A promise that resolves when the turn is over; `undefined` where there is nothing to do any
   * more, and `"later"` where others of the address have to be through first.
   */
  takeTurn(): Promise<void> | "later" | undefined;
}

/**
 * Lets no more than so many have a turn at a time. The addresses are served one after the other, whatever
 * the number is of those that wait for each: an address that asks for much makes itself wait.
 */
export class FairTurns {
  /** By address: first the one that is next. */
  readonly #waiting: Map<string, Set<FairTurnTaker>> = new Map();
  #free: number;
  #isServing = false;

  constructor(count: number) {
    this.#free = count;
  }

  /** Has somebody wait for a turn of an address, once. */
  wait(address: string, taker: FairTurnTaker): void {
    let own = this.#waiting.get(address);
    if (own === undefined) this.#waiting.set(address, own = new Set());
    own.add(taker);
    this.#serve();
  }

  /** Has somebody wait no longer. */
  leave(address: string, taker: FairTurnTaker): void {
    const own = this.#waiting.get(address);
    if (own?.delete(taker) && own.size === 0) this.#waiting.delete(address);
  }

  #serve(): void {
    // Who takes a turn may have others wait.
    if (this.#isServing) return;
    this.#isServing = true;
    let passed = 0;
    while (this.#free > 0 && passed < this.#waiting.size) {
      const [first] = this.#waiting;
      const [address, takers] = first!;
      this.#waiting.delete(address);
      this.#waiting.set(address, takers);
      if (this.#give(address, takers)) passed = 0;
      else passed++;
    }
    this.#isServing = false;
  }

  /** Gives a turn to the first that has something to do; tells whether there is one. */
  #give(address: string, takers: ReadonlySet<FairTurnTaker>): boolean {
    for (const taker of takers) {
      const turn = taker.takeTurn();
      if (turn === "later") return false;
      this.leave(address, taker);
      if (turn === undefined) continue;
      this.#free--;
      void turn.finally(() => {
        this.#free++;
        this.#serve();
      });
      return true;
    }
    return false;
  }
}
