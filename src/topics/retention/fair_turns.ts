import type { BrokerTopic } from "./broker_topic.ts";

/** Gives out turns, round-robin among addresses: an address that wants many delays only itself. */
export class FairTurns {
  /** By address, the next one first. */
  readonly #waiting: Map<string, Set<BrokerTopic>> = new Map();
  #free: number;
  #isServing = false;

  constructor(count: number) {
    this.#free = count;
  }

  wait(address: string, taker: BrokerTopic): void {
    let own = this.#waiting.get(address);
    if (own === undefined) this.#waiting.set(address, own = new Set());
    own.add(taker);
    this.#serve();
  }

  leave(address: string, taker: BrokerTopic): void {
    const own = this.#waiting.get(address);
    if (own?.delete(taker) && own.size === 0) this.#waiting.delete(address);
  }

  #serve(): void {
    // Taking a turn may make others wait for one.
    if (this.#isServing) return;
    this.#isServing = true;
    let passed = 0;
    while (this.#free > 0 && passed < this.#waiting.size) {
      const [first] = this.#waiting;
      const [address, takers] = first!;
      this.#waiting.delete(address);
      this.#waiting.set(address, takers);
      if (this.#give(takers)) passed = 0;
      else passed++;
    }
    this.#isServing = false;
  }

  /** Gives a turn to the first taker that has something to do; returns whether there was one. Takers leave by then. */
  #give(takers: ReadonlySet<BrokerTopic>): boolean {
    for (const taker of takers) {
      const turn = taker.takeTurn();
      if (turn === "later") return false;
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
