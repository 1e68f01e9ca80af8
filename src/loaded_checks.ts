/**
 * Checks of what programs give, for code that a server starts with: what it is given there has been checked. Entry
 * points with which programs use such code themselves load them.
 *
 * @module
 */

type Checks = Pick<
  typeof import("./checks.ts"),
  | "checkBoolean"
  | "checkFunction"
  | "checkInteger"
  | "checkObject"
  | "checkOptions"
  | "invalidMessage"
  | "show"
>;

/** The checks, once `checks.ts` is loaded. */
export let checks: Checks | undefined;

export function setChecks(loaded: Checks): void {
  checks = loaded;
}
