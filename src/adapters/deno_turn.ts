/**
 * Lets others have their turn. What Deno can do at once it completes without a turn of the event
 * loop: a peer whose bytes come faster than they are dealt with would keep all other connections, and
 * all timers, waiting for as long as it likes.
 *
 * @module
 */

/** How long a connection may go on before others must have had a turn, in milliseconds. */
const SHARE_MS = 2;
/** After so many bytes it is looked at the time. */
const LOOK_SIZE = 16 * 1024;
/**
 * Whoever takes longer for so many bytes, so many times in a row, had better read less at once: its
 * messages are tiny. Once may be the machine's doing.
 */
const SLOW_SIZE = 256 * 1024;
const SLOW_SHARES = 3;

/** The turns there have been, as far as somebody asked for them. */
let turns = 0;
let turn: Promise<void> | undefined;

/** What one connection may do before others get a turn. */
export class Share {
  /** The bytes since the share began, and since the last look at the time. */
  #used = 0;
  #sinceLook = 0;
  #startedAt = 0;
  /** The turns there had been when the share began. */
  #turns = -1;
  #slowShares = 0;

  /** Whether dealing with bytes takes long here. */
  get isSlow(): boolean {
    return this.#slowShares >= SLOW_SHARES;
  }

  /** Counts bytes that were read or written. Tells whether the share is used up: a turn is due. */
  use(size: number): boolean {
    this.#sinceLook += size;
    return this.#sinceLook >= LOOK_SIZE && this.#look();
  }

  #look(): boolean {
    this.#used += this.#sinceLook;
    this.#sinceLook = 0;
    const now = performance.now();
    const hadTurn = this.#turns !== turns;
    if (!hadTurn) {
      const isOver = now - this.#startedAt >= SHARE_MS;
      if (this.#used > SLOW_SIZE) this.#slowShares = 0;
      else if (isOver) this.#slowShares++;
      if (!isOver) return false;
    }
    this.#used = 0;
    this.#startedAt = now;
    this.#turns = turns;
    void nextTurn();
    return !hadTurn;
  }
}

/** Resolves when all others have had a turn. */
export function nextTurn(): Promise<void> {
  // Not setImmediate(): Deno then looks for what has arrived once in a while only.
  return turn ??= new Promise((resolve) => {
    setTimeout(() => {
      turn = undefined;
      turns++;
      resolve();
    }, 0);
  });
}
