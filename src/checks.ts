import { isAbortSignal } from "./values.ts";

/**
 * Checks a function that may be left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw new TypeError(`Cannot use ${String(value)} as ${name}: it is a function`);
}

/**
 * Checks a signal that may be left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || isAbortSignal(signal)) return;
  throw new TypeError(`Cannot use ${String(signal)} as signal: it is an AbortSignal`);
}
