import { show } from "./checks.ts";
import { isThenable, untilSettled } from "./hooks.ts";

/** Throws a `TypeError` if a hook that must return synchronously returned a promise; `fail` takes its rejection. */
export function refusePromise(
  name: string,
  result: unknown,
  fail: (error: unknown) => void,
): void {
  if (!isThenable(result)) return;
  void untilSettled(result, fail);
  throw new TypeError(`${name} must return synchronously, but returned a promise`);
}

/** Throws a `TypeError` unless a hook that decides returned a boolean: other truthy values may be mistakes. */
export function checkDecision(name: string, answer: unknown): asserts answer is boolean {
  if (typeof answer === "boolean") return;
  throw new TypeError(`${name} must return a boolean, got ${show(answer)}`);
}
