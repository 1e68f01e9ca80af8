/** One direction of a connection in memory, and what may happen to its bytes. */
export interface Wire {
  /**
   * How many bytes arrive at once at most: 1 or more, or `Infinity`; or a function that gives that
   * for each piece, such as {@linkcode randomSizes}. What is written by itself arrives by itself.
   * Where the function throws, or gives something else, the connection is lost, and the error goes to
   * `console.error`.
   *
   * @default {Infinity}
   */
  pieceSize: number | (() => number);
  /**
   * How long what is written from now on is under way, in milliseconds of the network's clock: an
   * integer from 0. Bytes don't overtake each other.
   *
   * @default {0}
   */
  delayMs: number;
  /**
   * How many bytes may be under way before the writer has to wait: an integer from 0, or `Infinity`.
   * On a real network, the buffers of the systems.
   *
   * @default {65536}
   */
  capacity: number;
  /** The bytes that have arrived. */
  readonly arrived: number;
  /** The bytes that were written and have not arrived. */
  readonly underWay: number;
  /** Lets nothing arrive any more, and tells nobody. */
  stall(): void;
  /** Lets arrive again, what is under way first. */
  flow(): void;
  /**
   * Ends this direction (FIN), once some bytes more have arrived. The writer is not told: what it
   * writes behind them is lost.
   *
   * @param size How many more bytes arrive: an integer from 0.
   * @default {0}
   */
  endAfter(size?: number): void;
  /**
   * Loses the connection (RST), both directions of it, once some bytes more have arrived in this one.
   *
   * @param size How many more bytes arrive: an integer from 0.
   * @default {0}
   */
  resetAfter(size?: number): void;
}

/** A connection in memory, as the bytes between its ends. */
export interface Link {
  /** What the client sends. */
  readonly toServer: Wire;
  /** What the server sends. */
  readonly toClient: Wire;
  /** Lets nothing arrive any more, either way, and tells nobody: a cable that was pulled. */
  stall(): void;
  /** Lets arrive again. */
  flow(): void;
  /** Loses the connection at once, and what is under way. Both ends are told. */
  reset(): void;
}

/**
 * Gives sizes at random, the same for the same seed, for {@linkcode Wire.pieceSize}. Half of them are
 * below the square root of the largest: headers are cut as often as payloads.
 *
 * @param seed Any number. A test that fails says which it was.
 * @param max The largest size: an integer from 1.
 */
export function randomSizes(seed: number, max = 1024): () => number {
  let state = seed | 0;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), state | 1);
    hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
    const fraction = ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
    return Math.min(Math.floor((max + 1) ** fraction), max);
  };
}
