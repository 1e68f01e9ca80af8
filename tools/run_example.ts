/**
 * Runs examples, on any runtime: `deno run -A tools/run_example.ts FILE...`. Ends with status 0 once
 * the top level of each has run, and what they started has had a moment to fail.
 *
 * @module
 */

import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const SETTLE_MS = 100;

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
process.exit(0);
