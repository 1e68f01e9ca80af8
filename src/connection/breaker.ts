import { rejected } from "../promises.ts";

/**
 * Ends the waiting of one who waits for one promise after another. An `AbortSignal` does the same at
 * several times the cost: each promise would need a listener, and somebody to remove it.
 */
export class Breaker {
  #reject: ((reason: unknown) => void) | undefined;
  #isBroken = false;
  #reason: unknown;

  /** Gives what `promise` gives, unless this is broken off before. */
  wait<T>(promise: Promise<T>): Promise<T> {
    if (this.#isBroken) {
      // Nobody else looks at it any more.
      promise.catch(() => {});
      return rejected(this.#reason);
    }
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }

  /** Has what is waited for reject with `reason`, and all that is waited for later; the first reason counts. */
  break(reason: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#reason = reason;
    this.#reject?.(reason);
  }

  /** Throws the reason, if this is broken off. */
  throwIfBroken(): void {
    if (this.#isBroken) throw this.#reason;
  }
}
