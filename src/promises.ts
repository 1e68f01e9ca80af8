/** The promise of what is done already: one for all, so that it costs nothing. */
export const RESOLVED: Promise<void> = Promise.resolve();

/** A promise that is settled from outside. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/**
 * Creates a promise that is settled from outside. Its rejection counts as handled: a program that
 * does not await a `send` must not end because the peer went away.
 */
export function createDeferred<T>(): Deferred<T> {
  const deferred = Promise.withResolvers<T>();
  deferred.promise.catch(() => {});
  return deferred;
}

/** Gives a promise that has rejected; see {@linkcode createDeferred} for who must handle it. */
export function rejected(reason: unknown): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return promise;
}

/** Gives what `promise` gives, unless `signal` aborts before. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    // Nobody else looks at it any more.
    promise.catch(() => {});
    return rejected(signal.reason);
  }
  const deferred = createDeferred<T>();
  const abort = () => deferred.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  promise.then(deferred.resolve, deferred.reject)
    .finally(() => signal.removeEventListener("abort", abort));
  return deferred.promise;
}
