/**
 * The checks of what programs give, for code that a server starts with: what it is given there has been checked.
 * Entry points with which programs use such code themselves load them.
 *
 * @module
 */

/** The checks, once `checks.ts` is loaded. */
export let checks: typeof import("./checks.ts") | undefined;

/** Has them known. */
export function setChecks(loaded: typeof import("./checks.ts")): void {
  checks = loaded;
}
