import { Waiter } from "./waiter.ts";

/** A promise whose state can be looked at. */
export interface Watched<T> {
  state: "pending" | "resolved" | "rejected";
  value: T | undefined;
  reason: unknown;
  /** Settles when the promise does. It never rejects. */
  settled: Promise<void>;
}

/** Watches a promise. That counts as handling its rejection. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = {
    state: "pending",
    value: undefined,
    reason: undefined,
    settled: promise.then(
      (value) => {
        watched.state = "resolved";
        watched.value = value;
      },
      (reason) => {
        watched.state = "rejected";
        watched.reason = reason;
      },
    ),
  };
  return watched;
}

/** Waits for a promise, and fails where it does not settle. */
export async function settlesWithin<T>(what: string, promise: Promise<T>): Promise<Watched<T>> {
  const watched = watch(promise);
  const waiter = new Waiter();
  void watched.settled.then(() => waiter.wake());
  await waiter.until(what, () => watched.state !== "pending");
  return watched;
}
