/**
 * Anything: callbacks may return any value. Not `unknown`: TypeScript would then infer what the callback
 * returns before what `serve` returns, and `message: (conn, data) => server.publish("all", data)` would make
 * `const server = await serve(...)` implicitly `any`.
 */
// deno-lint-ignore no-explicit-any
export type CallbackResult = any;

/** Whether `await` takes a value for a promise. Throws if reading `then` does. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function";
}

/** Resolves when a promise of the program's resolves or rejects; `fail` takes the rejection. */
export async function untilSettled(
  promise: PromiseLike<unknown>,
  fail: (error: unknown) => void,
): Promise<void> {
  try {
    await promise;
  } catch (error) {
    fail(error);
  }
}

/**
 * Calls code of the program without waiting for its promise. Thrown errors and rejections go to `fail`:
 * uncaught, either would end the process.
 *
 * @param fail Takes the error; must not throw.
 */
export function callHook(hook: () => unknown, fail: (error: unknown) => void): void {
  try {
    const result = hook();
    if (isThenable(result)) void untilSettled(result, fail);
  } catch (error) {
    fail(error);
  }
}

/** The option `onError`: takes the errors of the program's code. */
export type OnError<Conn> = (error: unknown, conn?: Conn) => unknown;

/** Passes an error of the program's code to `onError`; if that fails, logs both errors. */
export function reportError<Conn>(onError: OnError<Conn>, error: unknown, conn?: Conn): void {
  callHook(() => onError(error, conn), (second) => {
    logError(error);
    if (second !== error) logError(second);
  });
}

/** Logs an error to the console, also if showing it throws. */
export function logError(error: unknown): void {
  callHook(() => console.error(error), () => {
    callHook(() => console.error("An error was reported that throws when it is shown"), () => {});
  });
}

/** `instanceof` for a value that the program threw: a proxy may throw on it. */
export function isError<T extends Error>(
  value: unknown,
  type: abstract new (...args: never[]) => T,
): value is T {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}

/** Whether the program threw a value because `signal` aborted. */
export function saysAborted(value: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted !== true) return false;
  if (value === signal.reason) return true;
  try {
    return (value as { name?: unknown } | undefined)?.name === "AbortError";
  } catch {
    return false;
  }
}
