/**
 * Skips tests that need what a machine may not have.
 *
 * @module
 */

const printed = new Set<string>();

/**
 * Gives the `skip` option of a test: `false` where what it needs is `available`, else the reason.
 * The reason says what is missing and how to get it. It is printed too, for `tools/test.ts` to
 * show: the reports of Deno and Bun leave it out.
 */
export function skipUnless(available: boolean, reason: string): false | string {
  if (available) return false;
  if (!printed.has(reason)) console.log(`\n[skipped] ${reason}`);
  printed.add(reason);
  return reason;
}
