/**
 * Lets others have their turn. What Deno can do at once it completes without a turn of the event
 * loop: a peer whose bytes come faster than they are dealt with would keep all other connections, and
 * all timers, waiting for as long as it likes.
 *
 * @module
 */

/** How many bytes a connection may read and write before others must have had a turn. */
const SHARE_SIZE = 256 * 1024;
/** How many where dealing with them takes long, as it does with tiny messages. */
const SMALL_SHARE_SIZE = 16 * 1024;
/** What takes long, in milliseconds. */
const LONG_MS = 2;

/** The turns there have been, as far as somebody asked for them. */
let turns = 0;
let turn: Promise<void> | undefined;

/** What one connection may do before others get a turn. */
export class Share {
  #used = 0;
  #startedAt = 0;
  /** The turns there had been when the share began. */
  #turns = -1;
  /** Whether dealing with the bytes takes long. */
  isSmall = false;

  /** Counts bytes that were read or written. Tells whether the share is used up: a turn is due. */
  use(size: number): boolean {
    this.#used += size;
    if (this.#used < SMALL_SHARE_SIZE) return false;
    const now = performance.now();
    const hadTurn = this.#turns !== turns;
    if (!hadTurn) {
      this.isSmall = now - this.#startedAt >= LONG_MS;
      if (this.#used < SHARE_SIZE && !this.isSmall) return false;
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
