/** Shorter queues are not compacted: there is little to gain. */
const MIN_COMPACTED = 32;

/** Shared by all empty queues: most never get an item. */
const NOTHING: never[] = [];

/** A first-in, first-out queue whose operations take amortized constant time. */
export class Fifo<T> {
  #items: T[] = NOTHING;
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The item that is so many behind the first one. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  push(item: T): void {
    if (this.#items === NOTHING) this.#items = [item];
    else this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined as T;
    if (this.#head === this.#items.length) {
      // Release the memory that a burst needed.
      if (this.#head > MIN_COMPACTED) this.#items = NOTHING;
      else this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > MIN_COMPACTED && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
