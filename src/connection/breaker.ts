import { rejected } from "../promises.ts";

/**
 * Breaks off the wait of a function that awaits one promise after another. An `AbortSignal` does the same at
 * several times the cost: each promise would need a listener, which has to be removed.
 */
export class Breaker {
  #reject: ((reason: unknown) => void) | undefined;
  #isBroken = false;
  #reason: unknown;

  /** Resolves or rejects as `promise` does, unless this is broken off before. */
  wait<T>(promise: Promise<T>): Promise<T> {
    if (this.#isBroken) {
      // It is not awaited any more.
      promise.catch(() => {});
      return rejected(this.#reason);
    }
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }

  /** Rejects the wait at hand with `reason`, and all later ones; the first reason counts. */
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
