// Only a queue that was long at some time is worth compacting.
const MIN_COMPACTED = 32;

/** The items of all queues that never had any: most never have. */
const NOTHING: never[] = [];

/** A queue, first in, first out, whose operations take constant time on average. */
export class Fifo<T> {
  #items: T[] = NOTHING;
  #head = 0;

  /** The number of items. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** The item that `shift` would return. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** Adds an item at the end. */
  push(item: T): void {
    if (this.#items === NOTHING) this.#items = [item];
    else this.#items.push(item);
  }

  /** Takes the first item; `undefined` where there is none. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined as T;
    if (this.#head === this.#items.length) {
      // A new array: what a burst grew is given back.
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
