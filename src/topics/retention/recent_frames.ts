import type { PublishedFrames } from "../fan_out/shared_memory.ts";
import { queueMicrotask } from "../../timers.ts";

/** How many bytes of frames there may be, and what part of the bound of all messages. */
const MAX_SIZE = 4 * 1024 * 1024;
const MAX_SHARE = 1 / 4;

/**
 * The frames of kept messages that were encoded last: for the next who missed the same messages. Those before
 * are dropped, as they take as much memory as the messages do.
 */
export class RecentFrames {
  readonly #maxSize: number;
  /** In the order they came, with what drops them. */
  readonly #frames: Map<PublishedFrames, () => void> = new Map();
  #size = 0;
  #isTrimDue = false;

  /** @param totalSize The most bytes of the messages themselves. */
  constructor(totalSize: number) {
    this.#maxSize = Math.min(MAX_SIZE, totalSize * MAX_SHARE);
  }

  /** What they cost, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Keeps frames for some time: until all have them that get them now, and as long as there is room. */
  add(frames: PublishedFrames, drop: () => void): void {
    this.#frames.set(frames, drop);
    this.#size += frames.size;
    if (this.#size <= this.#maxSize || this.#isTrimDue) return;
    this.#isTrimDue = true;
    queueMicrotask(() => this.#trim());
  }

  /** Forgets frames, where they are among these. */
  delete(frames: PublishedFrames): void {
    if (this.#frames.delete(frames)) this.#size -= frames.size;
  }

  #trim(): void {
    this.#isTrimDue = false;
    for (const [oldest, drop] of this.#frames) {
      if (this.#size <= this.#maxSize) return;
      this.delete(oldest);
      drop();
    }
  }
}
