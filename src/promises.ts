/** A resolved promise that all callers share, so that returning it allocates nothing. */
export const RESOLVED: Promise<void> = Promise.resolve();

export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/**
 * Creates a promise with the functions that resolve and reject it. Its rejection counts as handled: a
 * program that does not await a `send` must not end because the peer went away.
 */
export function createDeferred<T>(): Deferred<T> {
  const deferred = Promise.withResolvers<T>();
  deferred.promise.catch(() => {});
  return deferred;
}

/** Returns a rejected promise whose rejection counts as handled; see {@linkcode createDeferred}. */
export function rejected(reason: unknown): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return promise;
}
