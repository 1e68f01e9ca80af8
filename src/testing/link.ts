/** One direction of a connection in memory, and its faults. */
export interface Wire {
  /**
   * The largest piece that arrives at once, in bytes: an integer from 1, or `Infinity`; or a function that
   * returns that for each piece, such as {@linkcode randomSizes}. Separate writes arrive separately. If the
   * function throws or returns another value, the connection is reset, and the error is logged by
   * `console.error`.
   *
   * @default {Infinity}
   */
  pieceSize: number | (() => number);
  /**
   * The latency of bytes that are written from now on, in milliseconds of the network's clock: an integer
   * from 0. Bytes don't overtake each other.
   *
   * @default {0}
   */
  delayMs: number;
  /**
   * How many bytes may be under way before the writer has to wait: an integer from 0, or `Infinity`. It
   * stands for the buffers of the operating systems.
   *
   * @default {65536}
   */
  capacity: number;
  /** The number of bytes that have arrived. */
  readonly arrived: number;
  /** The number of bytes that were written and have not arrived. */
  readonly underWay: number;
  /** Stops all delivery; neither end is notified. */
  stall(): void;
  /** Ends a stall: bytes under way arrive. */
  flow(): void;
  /**
   * Ends this direction (FIN) once `size` more bytes have arrived. The writer is not notified; its further
   * bytes are lost.
   *
   * @param size How many more bytes arrive: an integer from 0.
   * @default {0}
   */
  endAfter(size?: number): void;
  /**
   * Resets the connection (RST), both directions of it, once `size` more bytes have arrived in this one.
   *
   * @param size How many more bytes arrive: an integer from 0.
   * @default {0}
   */
  resetAfter(size?: number): void;
}

/** The network between the two ends of a connection in memory. */
export interface Link {
  /** The direction from client to server. */
  readonly toServer: Wire;
  /** The direction from server to client. */
  readonly toClient: Wire;
  /** Stops all delivery in both directions, without notifying an end, as if a cable had been pulled. */
  stall(): void;
  /** Ends a stall. */
  flow(): void;
  /** Resets the connection at once; bytes under way are lost. Both ends are notified. */
  reset(): void;
}

/**
 * Creates a generator of random sizes for {@linkcode Wire.pieceSize}, reproducible by its seed. Half of the
 * sizes are below the square root of the largest, so that headers are split as often as payloads.
 *
 * @param seed Any number. Log it, so that a failing test can be repeated.
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
