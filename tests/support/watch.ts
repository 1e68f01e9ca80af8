import { Waiter } from "./waiter.ts";

/** A promise whose state can be looked at. */
export class Watched<T> {
  state: "pending" | "resolved" | "rejected" = "pending";
  /** What it resolved with. */
  value: T | undefined;
  /** What it rejected with. */
  reason: unknown;
  /** The promise itself. */
  readonly promise: Promise<T>;
  readonly #waiter: Waiter = new Waiter();

  constructor(promise: PromiseLike<T>) {
    this.promise = Promise.resolve(promise);
    promise.then((value) => {
      this.state = "resolved";
      this.value = value;
      this.#waiter.wake();
    }, (reason) => {
      this.state = "rejected";
      this.reason = reason;
      this.#waiter.wake();
    });
  }

  /** Resolves when it is settled, and rejects where that does not happen. */
  get settled(): Promise<void> {
    return this.untilSettled().then(() => {});
  }

  /** Waits until it is settled, and fails where that does not happen. */
  async untilSettled(): Promise<this> {
    await this.#waiter.until("a promise to settle", () => this.state !== "pending");
    return this;
  }
}

/** Watches a promise. That counts as handling its rejection. */
export function watch<T>(promise: PromiseLike<T>): Watched<T> {
  return new Watched(promise);
}
