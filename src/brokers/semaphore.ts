import { Fifo } from "../fifo.ts";

/** Limits how many tasks run at a time; the others wait, and start in their order. */
export class Semaphore {
  readonly #waiting: Fifo<() => void> = new Fifo();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
