import { show } from "./checks.ts";

/**
 * What a callback may return: anything. It is no `unknown`, since TypeScript would then ask what the callback
 * returns before it knows what `serve` does, and `message: (conn, data) => server.publish("all", data)` would
 * make `const server = await serve(...)` implicitly `any`.
 */
// deno-lint-ignore no-explicit-any
export type CallbackResult = any;

/** Whether a value is a promise, or what `await` takes for one. Reading `then` may throw. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function";
}

/** Resolves when a promise of the program's has settled; `fail` takes what it rejects with. */
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
 * Calls code of the program, and does not wait for it. What it throws, and what its promise rejects
 * with, goes to `fail`: uncaught, either would end the process.
 *
 * @param fail Takes the error; it must not throw.
 */
export function callHook(hook: () => unknown, fail: (error: unknown) => void): void {
  try {
    const result = hook();
    if (isThenable(result)) void untilSettled(result, fail);
  } catch (error) {
    fail(error);
  }
}

/**
 * Refuses the promise that a hook returned where the answer is needed at once.
 *
 * @param fail Takes what the promise rejects with.
 * @throws {TypeError} Where it is one.
 */
export function refusePromise(
  name: string,
  result: unknown,
  fail: (error: unknown) => void,
): void {
  if (!isThenable(result)) return;
  void untilSettled(result, fail);
  throw new TypeError(`${name} must return synchronously, but returned a promise`);
}

/**
 * Checks the answer of a hook that decides: a truthy one may be a mistake.
 *
 * @throws {TypeError} Where it is neither true nor false.
 */
export function checkDecision(name: string, answer: unknown): asserts answer is boolean {
  if (typeof answer === "boolean") return;
  throw new TypeError(`${name} must return a boolean, got ${show(answer)}`);
}

/** What takes the errors of the program's code: the option `onError`. */
export type OnError<Conn> = (error: unknown, conn?: Conn) => unknown;

/** Reports an error of the program's code; where the program's reporter fails, both go to the console. */
export function reportError<Conn>(onError: OnError<Conn>, error: unknown, conn?: Conn): void {
  callHook(() => onError(error, conn), (second) => {
    logError(error);
    if (second !== error) logError(second);
  });
}

/** Writes an error to the console; where it can't be shown, says so. */
export function logError(error: unknown): void {
  callHook(() => console.error(error), () => {
    callHook(() => console.error("An error was reported that throws when it is shown"), () => {});
  });
}

/** Whether a value that the program threw is an error of a class; a proxy may throw when it is asked. */
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

/** Whether a value that the program threw says that it gave up since a signal aborted. */
export function saysAborted(value: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted !== true) return false;
  if (value === signal.reason) return true;
  try {
    return (value as { name?: unknown } | undefined)?.name === "AbortError";
  } catch {
    return false;
  }
}
