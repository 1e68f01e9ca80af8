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

/**
 * Checks the options of a call: that they are an object, and none of them is unknown.
 *
 * @param name The call's name.
 * @throws {TypeError} Where they are something else, or one is unknown.
 */
export function checkOptions<T extends object>(
  name: string,
  options: T,
  known: readonly (keyof T & string)[],
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot use ${String(options)} as the options of ${name}: they are an object with ${
        known.join(", ")
      }`,
    );
  }
  checkKnown(name, options, known);
}

/**
 * Checks that none of the options is unknown.
 *
 * @param name What they are for: the name of a call, or of the option that holds them.
 * @throws {TypeError} Where one is.
 */
export function checkKnown(name: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    throw new TypeError(`Cannot use the option ${name}.${key}: ${name} has ${known.join(", ")}`);
  }
}

/**
 * Checks an option that is a boolean, or left out.
 *
 * @throws {TypeError} Where it is something else.
 */
export function checkBoolean(name: string, value: unknown): void {
  if (value === undefined || typeof value === "boolean") return;
  throw new TypeError(`Cannot use ${String(value)} as ${name}: it is a boolean`);
}
