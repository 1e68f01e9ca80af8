import { checkInteger } from "./checks.ts";

/**
 * Checks a limit: an integer from `min` on, or `Infinity`.
 *
 * @throws {RangeError} Where it is a number, but none of these. The message has the name.
 * @throws {TypeError} Where it is no number.
 */
export function checkLimit(name: string, value: unknown, min: number): void {
  checkInteger(name, value, min, Infinity);
}
