import { createDeferred, rejected } from "./promises.ts";

/** Resolves or rejects as `promise` does, or rejects with the signal's reason if that aborts before. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    // No caller will handle its rejection.
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
