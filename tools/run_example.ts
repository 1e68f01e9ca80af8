/**
 * Runs one example: `deno run -A tools/run_example.ts FILE`. Ends with status 0 once the example's
 * top level has run, and what it started has had a moment to fail.
 *
 * @module
 */

const SETTLE_MS = 100;

await import(new URL(Deno.args[0], `file://${Deno.cwd()}/`).href);
await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
Deno.exit(0);
