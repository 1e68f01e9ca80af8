import type { PublishedFrames } from "../fan_out/shared_memory.ts";
import { queueMicrotask } from "../../timers.ts";

/** The most bytes of frames, and the largest part of the limit for the messages themselves. */
const MAX_SIZE = 4 * 1024 * 1024;
const MAX_SHARE = 1 / 4;

/** The frames of retained messages encoded last, for others that missed them. They take as much memory again. */
export class RecentFrames {
  readonly #maxSize: number;
  /** In the order they were added, with callbacks that drop them. */
  readonly #frames: Map<PublishedFrames, () => void> = new Map();
  #size = 0;
  #isTrimDue = false;

  /** @param totalSize The most bytes of the messages themselves. */
  constructor(totalSize: number) {
    this.#maxSize = Math.min(MAX_SIZE, totalSize * MAX_SHARE);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds frames. They stay for this turn, so that all its subscribers get them, and then while there is room. */
  add(frames: PublishedFrames, drop: () => void): void {
    this.#frames.set(frames, drop);
    this.#size += frames.size;
    if (this.#size <= this.#maxSize || this.#isTrimDue) return;
    this.#isTrimDue = true;
    queueMicrotask(() => this.#trim());
  }

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
