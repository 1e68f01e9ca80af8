import type { PublishedFrames } from "../fan_out/shared_memory.ts";
import { queueMicrotask } from "../../timers.ts";

/** The most bytes of frames, also as a part of the limit of all messages. */
const MAX_SIZE = 4 * 1024 * 1024;
const MAX_SHARE = 1 / 4;

/**
 * The frames of retained messages that were encoded last, for the next client that missed the same messages.
 * Older ones are dropped, as they take as much memory as the messages do.
 */
export class RecentFrames {
  readonly #maxSize: number;
  /** In the order they came, with the callbacks that drop them. */
  readonly #frames: Map<PublishedFrames, () => void> = new Map();
  #size = 0;
  #isTrimDue = false;

  /** @param totalSize The most bytes of the messages themselves. */
  constructor(totalSize: number) {
    this.#maxSize = Math.min(MAX_SIZE, totalSize * MAX_SHARE);
  }

  /** Their cost, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Adds frames: they stay until all subscribers that get them now have them, and then while there is room. */
  add(frames: PublishedFrames, drop: () => void): void {
    this.#frames.set(frames, drop);
    this.#size += frames.size;
    if (this.#size <= this.#maxSize || this.#isTrimDue) return;
    this.#isTrimDue = true;
    queueMicrotask(() => this.#trim());
  }

  /** Removes frames, if they are among these. */
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
